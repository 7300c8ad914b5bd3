# Daily snapshots of the data volumes, and who is told when something is wrong.

data "aws_iam_policy_document" "dlm_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["dlm.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "dlm" {
  name               = "${var.name}-snapshots"
  assume_role_policy = data.aws_iam_policy_document.dlm_trust.json
}

resource "aws_iam_role_policy_attachment" "dlm" {
  role       = aws_iam_role.dlm.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
}

# The spool, the journal and the catalog; ClickHouse has its own nightly backup. A snapshot of a running volume is as after a power
# cut, which is what both logs are made for.
resource "aws_dlm_lifecycle_policy" "daily" {
  description        = "${var.name} data volumes, daily, a week"
  execution_role_arn = aws_iam_role.dlm.arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { Project = var.name, Snapshot = "daily" }

    schedule {
      name = "daily"
      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["08:10"]
      }
      retain_rule {
        count = 7
      }
      copy_tags = true
    }
  }
}

# What the programs write but DEBUG, shipped by the CloudWatch agent of each machine.
resource "aws_cloudwatch_log_group" "programs" {
  name              = module.plan.log_group
  retention_in_days = 365
  kms_key_id        = aws_kms_key.this.arn
}

# One night without a backup, whatever the cause: it failed, it hangs, its timer is gone. No word is an alarm too.
resource "aws_cloudwatch_metric_alarm" "backup" {
  alarm_name          = "${var.name}-backup"
  alarm_description   = "The newest backup of the canonical ClickHouse is more than 30 hours old. runbooks/BackupOld.md"
  namespace           = "KalshiCapture"
  metric_name         = "BackupAgeHours"
  dimensions          = { Node = "deduplicator" }
  statistic           = "Maximum"
  period              = 900
  evaluation_periods  = 1
  threshold           = 30
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.this.id
}

resource "aws_sns_topic_subscription" "email" {
  for_each  = toset(var.alarm_emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}
