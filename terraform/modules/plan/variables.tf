variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: 2 to 20 lower-case letters, digits and dashes, a letter first (it becomes part of bucket names)."
  }
}

variable "region" {
  description = "AWS region, as it goes into addresses of services."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC; cut into a private and a public subnet for each zone."
  type        = string
  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 8, 0)) && tonumber(split("/", var.vpc_cidr)[1]) <= 20
    error_message = "vpc_cidr: a block of /20 or larger, as 10.0.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones, in order; a zone keeps its addresses for as long as its place in the list does not change."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones: two or more different ones. Gatherers in one zone are lost together."
  }
}

variable "gatherers" {
  description = "Gatherers by GATHERER_ID: the zone each lives in, and its POLL_SLOT as 2/3 where that is not the zone's place among zones."
  type        = map(object({ zone = string, poll_slot = optional(string) }))
  validation {
    condition     = length(var.gatherers) >= 2
    error_message = "gatherers: two or more; one alone has nobody to cover it."
  }
  validation {
    condition     = alltrue([for id in keys(var.gatherers) : can(regex("^[a-z][a-z0-9-]{0,30}$", id))])
    error_message = "gatherers: an id is of lower-case letters, digits and dashes."
  }
  validation {
    condition     = alltrue([for gatherer in values(var.gatherers) : contains(var.zones, gatherer.zone)])
    error_message = "gatherers: each lives in one of zones."
  }
  validation {
    condition     = alltrue([for gatherer in values(var.gatherers) : gatherer.poll_slot == null || try(tonumber(regex("^([1-9][0-9]?)/[1-9][0-9]?$", gatherer.poll_slot)[0]) <= tonumber(split("/", gatherer.poll_slot)[1]), false)])
    error_message = "gatherers: a poll_slot is written as 2/3."
  }
}

variable "deduplicator_zone" {
  description = "Zone of the deduplicator."
  type        = string
  validation {
    condition     = contains(var.zones, var.deduplicator_zone)
    error_message = "deduplicator_zone: one of zones."
  }
}

variable "market_tickers" {
  description = "MARKET_TICKERS: the same for every gatherer."
  type        = string
  default     = "all"
}

variable "deltas_per_second" {
  description = "Order-book changes a second, mean over a day; decides the sizes of disks."
  type        = number
  default     = 2000
  validation {
    condition     = var.deltas_per_second > 0 && var.deltas_per_second <= 50000
    error_message = "deltas_per_second: between 1 and 50,000; beyond that measure first."
  }
}

variable "retention_hours" {
  description = "RETENTION of the gatherers' spools, in hours."
  type        = number
  default     = 24
}

variable "hot_days" {
  description = "Days of events that the canonical ClickHouse has room for. It is a size, no limit: older days stay until a person drops them."
  type        = number
  default     = 90
}

variable "release" {
  description = "What runs: the key of the release's tar.gz in the artifact bucket, and its sha256."
  type        = object({ bucket = string, key = string, sha256 = string })
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release.sha256))
    error_message = "release.sha256: 64 hexadecimal digits. What is not checked is not installed."
  }
}

variable "parameters" {
  description = "Names in the SSM parameter store. The values are put there by hand, so that no secret is ever in a state file."
  type = object({
    key_id      = string
    key_pem     = string
    grpc_ca     = string
    grpc_folder = string
    admin_token = string
    clickhouse  = string
  })
  validation {
    condition     = alltrue([for name in [var.parameters.key_id, var.parameters.key_pem, var.parameters.grpc_ca, var.parameters.grpc_folder, var.parameters.admin_token, var.parameters.clickhouse] : startswith(name, "/")])
    error_message = "parameters: names begin with a slash."
  }
}

variable "archive_bucket" {
  description = "Bucket of the Parquet archive."
  type        = string
}

variable "backup_bucket" {
  description = "Bucket of ClickHouse's backups."
  type        = string
}
