# Three zones, three gatherers, as the defaults have it. State lies in a bucket with locking; nothing secret is in it.

terraform {
  required_version = ">= 1.10"
  backend "s3" {
    bucket       = "example-kalshi-state"
    key          = "capture/terraform.tfstate"
    region       = "us-east-1"
    encrypt      = true
    use_lockfile = true
  }
}

module "capture" {
  source            = "../.."
  archive_bucket    = "example-kalshi-archive"
  backup_bucket     = "example-kalshi-backup"
  alarm_emails      = ["operators@example.org"]
  deltas_per_second = 2000
  release = {
    bucket = "example-kalshi-releases"
    key    = "0.1.0/kalshi-capture.tar.gz"
    sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
  }
}

output "status_page" {
  description = "How to reach the status page."
  value       = module.capture.status_page
}
