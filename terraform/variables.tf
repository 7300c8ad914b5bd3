variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  default     = "kalshi"
}

variable "region" {
  description = "AWS region. The exchange's machines are said to be in us-east-1; measure before choosing another."
  type        = string
  default     = "us-east-1"
}

variable "vpc_cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.0.0.0/16"
}

variable "zones" {
  description = "Three availability zones."
  type        = list(string)
  default     = ["us-east-1a", "us-east-1b", "us-east-1c"]
}

variable "gatherers" {
  description = "Gatherers by GATHERER_ID: the zone each lives in, and its POLL_SLOT as 2/3 where that is not the zone's place among zones."
  type        = map(object({ zone = string, poll_slot = optional(string) }))
  default = {
    east  = { zone = "us-east-1a" }
    west  = { zone = "us-east-1b" }
    north = { zone = "us-east-1c" }
  }
}

variable "deduplicator_zone" {
  description = "Zone of the deduplicator."
  type        = string
  default     = "us-east-1a"
}

variable "market_tickers" {
  description = "MARKET_TICKERS of every gatherer."
  type        = string
  default     = "all"
}

variable "deltas_per_second" {
  description = "Order-book changes a second, mean over a day; decides the sizes of disks."
  type        = number
  default     = 2000
}

variable "retention_hours" {
  description = "RETENTION of the gatherers' spools, in hours; decides their disks."
  type        = number
  default     = 24
  validation {
    condition     = var.retention_hours >= 1 && floor(var.retention_hours) == var.retention_hours
    error_message = "retention_hours: whole hours, 1 or more."
  }
}

variable "hot_days" {
  description = "Days of events that the canonical ClickHouse has room for. It is a size, no limit: older days stay until a person drops them."
  type        = number
  default     = 90
}

variable "instance_types" {
  description = "By role. x86-64 with AVX2; see the sizing table in deploy/README.md."
  type        = object({ gatherer = string, deduplicator = string })
  default     = { gatherer = "c7i.large", deduplicator = "m7i.xlarge" }
}

variable "release" {
  description = "The release's tar.gz in an artifact bucket (deploy/release.sh makes it), and its sha256."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "parameters" {
  description = "Names in the SSM parameter store; the values are put there by hand."
  type = object({
    key_id      = string
    key_pem     = string
    grpc_ca     = string
    grpc_folder = string
    admin_token = string
    clickhouse  = string
  })
  default = {
    key_id      = "/kalshi/key-id"
    key_pem     = "/kalshi/key-pem"
    grpc_ca     = "/kalshi/grpc/ca.pem"
    grpc_folder = "/kalshi/grpc"
    admin_token = "/kalshi/admin-token"
    clickhouse  = "/kalshi/clickhouse"
  }
}

variable "archive_bucket" {
  description = "Bucket of the Parquet archive; names are world-wide."
  type        = string
}

variable "backup_bucket" {
  description = "Bucket of ClickHouse's backups."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told of CloudWatch's alarms; each must confirm once."
  type        = list(string)
  default     = []
}

variable "ami_parameter" {
  description = "SSM parameter that names the image: Ubuntu 24.04 for x86-64."
  type        = string
  default     = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
}
