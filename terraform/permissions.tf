# One key for everything at rest, and for each role exactly what it needs.

data "aws_iam_policy_document" "key" {
  # The account's administrators manage the key by their own policies.
  statement {
    sid       = "Administration"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"]
    }
  }
  statement {
    sid       = "Logs"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }
  }
  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "${var.name}: volumes, buckets, logs, parameters"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

locals {
  parameter_arn = "arn:aws:ssm:${var.region}:${data.aws_caller_identity.me.account_id}:parameter"
  release_arn   = "arn:aws:s3:::${var.release.bucket}/${var.release.key}"
}

data "aws_iam_policy_document" "gatherer" {
  source_policy_documents = [data.aws_iam_policy_document.both.json]
  statement {
    sid       = "OwnSecrets"
    actions   = ["ssm:GetParameter"]
    resources = [for name in module.plan.parameters.gatherer : "${local.parameter_arn}${name}"]
  }
}

data "aws_iam_policy_document" "deduplicator" {
  source_policy_documents = [data.aws_iam_policy_document.both.json]
  statement {
    sid       = "OwnSecrets"
    actions   = ["ssm:GetParameter"]
    resources = [for name in module.plan.parameters.deduplicator : "${local.parameter_arn}${name}"]
  }
  statement {
    sid       = "Files"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = [for arn in values(module.archive.arns) : "${arn}/*"]
  }
  statement {
    sid       = "Folders"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = values(module.archive.arns)
  }
  # A backup begins by writing this file beside its own and ends by taking it away.
  statement {
    sid       = "BackupLock"
    actions   = ["s3:DeleteObject"]
    resources = ["${module.archive.arns["backup"]}/*/.lock"]
  }
}

# What both roles share. Neither may delete a file of the archive or of a backup: nothing in the programs needs to.
data "aws_iam_policy_document" "both" {
  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }
  statement {
    sid       = "Release"
    actions   = ["s3:GetObject"]
    resources = [local.release_arn]
  }
  statement {
    sid       = "ShipLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["${aws_cloudwatch_log_group.programs.arn}:*"]
  }
  statement {
    sid       = "TellHealth"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["KalshiCapture"]
    }
  }
}
