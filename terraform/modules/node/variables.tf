variable "name" {
  description = "Prefix and identity: kalshi-east."
  type        = string
}

variable "identity" {
  description = "GATHERER_ID, or deduplicator: the dimension of its metrics."
  type        = string
}

variable "zone" {
  description = "Availability zone."
  type        = string
}

variable "subnet_id" {
  description = "Private subnet of that zone."
  type        = string
}

variable "address" {
  description = "Fixed private address."
  type        = string
}

variable "security_group_ids" {
  description = "What it may reach and who may reach it."
  type        = list(string)
}

variable "ami_id" {
  description = "Ubuntu 24.04, x86-64 with AVX2 instances. A newer image does not replace a running machine."
  type        = string
}

variable "instance_type" {
  description = "x86-64, EBS-optimised, Nitro."
  type        = string
}

variable "disk_gib" {
  description = "Data volume; may grow, never shrinks."
  type        = number
}

variable "disk_iops" {
  description = "Provisioned operations a second; group commits are many small fsyncs."
  type        = number
  default     = 3000
}

variable "disk_throughput" {
  description = "Provisioned MiB/s."
  type        = number
  default     = 250
}

variable "kms_key_arn" {
  description = "Key of the volumes."
  type        = string
}

variable "user_data" {
  description = "First boot; @VOLUME@ stands for the data volume's id."
  type        = string
}

variable "policy_json" {
  description = "What the machine may do in AWS, beyond Session Manager."
  type        = string
}

variable "alarm_topic_arns" {
  description = "SNS topics that are told."
  type        = list(string)
}
