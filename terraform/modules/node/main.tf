# One machine and its data volume. The volume and the address outlive the instance: `-replace` of the instance gives a new machine that
# goes on where the old one stopped.

resource "aws_ebs_volume" "data" {
  availability_zone = var.zone
  size              = var.disk_gib
  type              = "gp3"
  iops              = var.disk_iops
  throughput        = var.disk_throughput
  encrypted         = true
  kms_key_id        = var.kms_key_arn
  tags              = { Name = "${var.name}-data", Snapshot = "daily" }

  # A last copy, should somebody destroy it after all.
  final_snapshot = true

  lifecycle {
    # Remove this line for a moment to replace a broken volume: that must not happen by accident.
    prevent_destroy = true
    ignore_changes  = [snapshot_id]
  }
}

resource "aws_network_interface" "this" {
  subnet_id       = var.subnet_id
  private_ips     = [var.address]
  security_groups = var.security_group_ids
  tags            = { Name = var.name }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  name   = "capture"
  role   = aws_iam_role.this.id
  policy = var.policy_json
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = aws_iam_role.this.name
}

resource "aws_instance" "this" {
  ami                     = var.ami_id
  instance_type           = var.instance_type
  iam_instance_profile    = aws_iam_instance_profile.this.name
  user_data               = replace(var.user_data, "@VOLUME@", replace(aws_ebs_volume.data.id, "-", ""))
  ebs_optimized           = true
  monitoring              = true
  disable_api_termination = false
  tags                    = { Name = var.name }

  primary_network_interface {
    network_interface_id = aws_network_interface.this.id
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 20
    encrypted   = true
    kms_key_id  = var.kms_key_arn
  }

  lifecycle {
    # A newer image, release or setting is taken when a machine is replaced on purpose, one after another: an apply alone would
    # otherwise replace all of them together.
    ignore_changes = [ami, user_data]
  }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.this.id
  # The spool and the journal are closed in order before the volume goes.
  stop_instance_before_detaching = true
}

# The hardware failed: the same instance is started on other hardware, with its volumes and address.
resource "aws_cloudwatch_metric_alarm" "recover" {
  alarm_name          = "${var.name}-hardware"
  alarm_description   = "EC2's own check of the machine fails: it is moved to other hardware."
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_System"
  dimensions          = { InstanceId = aws_instance.this.id }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  alarm_actions       = concat(var.alarm_topic_arns, ["arn:aws:automate:${data.aws_region.here.region}:ec2:recover"])
}

data "aws_region" "here" {}

# A second pair of eyes beside Prometheus: the health endpoint, asked on the machine each minute. No word is an alarm too.
resource "aws_cloudwatch_metric_alarm" "health" {
  alarm_name          = "${var.name}-health"
  alarm_description   = "/health is down or does not answer. runbooks/ProgramDegraded.md"
  namespace           = "KalshiCapture"
  metric_name         = "NotHealthy"
  dimensions          = { Node = var.identity }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 3
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "disk" {
  alarm_name          = "${var.name}-disk"
  alarm_description   = "The data volume is more than 85 % full. runbooks/DiskUsageHigh.md"
  namespace           = "KalshiCapture"
  metric_name         = "DiskUsedPercent"
  dimensions          = { Node = var.identity }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 85
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
