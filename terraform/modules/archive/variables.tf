variable "archive_bucket" {
  description = "Bucket of the Parquet archive."
  type        = string
}

variable "backup_bucket" {
  description = "Bucket of ClickHouse's backups."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of both."
  type        = string
}

variable "backup_days" {
  description = "How long a backup is kept."
  type        = number
  default     = 35
  validation {
    condition     = var.backup_days >= 15
    error_message = "backup_days: an incremental backup needs its full one, up to a week older; keep two weeks at least."
  }
}
