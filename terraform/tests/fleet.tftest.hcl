# The whole fleet planned and applied on mocked resources: what would be created, and how it hangs together. With the real provider:
# `terraform test`; without it: `.ci/ops` runs this on a stand-in that knows the provider's schema (checks/provider.py).

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
}

variables {
  archive_bucket = "example-kalshi-archive"
  backup_bucket  = "example-kalshi-backup"
  alarm_emails   = ["operators@example.org"]
  release        = { bucket = "example-releases", key = "1/kalshi.tar.gz", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
}

run "three_zones" {
  command = apply
  assert {
    condition     = length(module.gatherer) == 3 && length(distinct([for node in values(output.gatherers) : split(".", node.address)[2]])) == 3
    error_message = "a gatherer in each of three zones"
  }
  assert {
    condition     = output.gatherers["east"].address == "10.0.0.10" && output.deduplicator.address == "10.0.0.100"
    error_message = "addresses are fixed"
  }
}

run "nothing_is_open_to_the_world" {
  command = plan
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.this : rule.referenced_security_group_id != null && rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "every way in has a security group as its source"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.this : !contains([22, 9000, 3389], rule.from_port)])
    error_message = "SSH and ClickHouse's native port stay closed"
  }
  assert {
    condition     = [for name, rule in aws_vpc_security_group_ingress_rule.this : name if rule.from_port == 8123] == ["query"]
    error_message = "one rule opens ClickHouse's HTTP port, for readers"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.https : rule.from_port == 443 && rule.to_port == 443])
    error_message = "out by TLS only"
  }
}

run "at_rest_everything_is_encrypted_and_kept" {
  command = plan
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_dlm_lifecycle_policy.daily.policy_details[0].schedule[0].retain_rule[0].count == 7
    error_message = "the key turns, snapshots stay a week"
  }
}

run "nothing_is_deleted_but_a_backups_lock" {
  command = plan
  assert {
    condition     = join(",", flatten([for statement in data.aws_iam_policy_document.deduplicator.statement : tolist(statement.resources) if length([for action in statement.actions : action if startswith(action, "s3:Delete") || endswith(action, "*")]) > 0])) == "${module.archive.arns["backup"]}/*/.lock"
    error_message = "s3:DeleteObject is for the lock that a backup writes beside itself"
  }
}

run "somebody_is_told_of_a_night_without_backup" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.backup.metric_name == "BackupAgeHours" && aws_cloudwatch_metric_alarm.backup.treat_missing_data == "breaching" && length(aws_cloudwatch_metric_alarm.backup.alarm_actions) == 1
    error_message = "an old backup, or no word of one, is an alarm"
  }
}

run "logs_have_a_place_to_go" {
  command = plan
  assert {
    condition     = aws_cloudwatch_log_group.programs.name == "/kalshi/programs" && length([for statement in data.aws_iam_policy_document.both.statement : statement if contains(statement.actions, "logs:PutLogEvents")]) == 1
    error_message = "the agent may write, and the group is there"
  }
}

run "days_and_hours_reach_the_plan" {
  command = plan
  variables {
    retention_hours = 48
    hot_days        = 365
  }
  assert {
    condition     = module.plan.gatherers["east"].environment.RETENTION == "48h" && module.plan.deduplicator.disk_gib > 900
    error_message = "what is set at the top is what the machines get"
  }
}

run "more_gatherers_than_zones" {
  command = plan
  variables {
    gatherers = {
      east = { zone = "us-east-1a" }, west = { zone = "us-east-1b" }, north = { zone = "us-east-1c" }, spare = { zone = "us-east-1c", poll_slot = "1/2" }
    }
  }
  assert {
    condition     = length(distinct([for node in values(module.plan.gatherers) : node.address])) == 4
    error_message = "four machines, four addresses"
  }
}
