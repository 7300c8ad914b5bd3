# The fleet: a gatherer in each of three zones, the deduplicator, the archive. README.md says what was tried and what was not.

provider "aws" {
  region = var.region
  default_tags {
    tags = { Project = var.name }
  }
}

data "aws_caller_identity" "me" {}

data "aws_ssm_parameter" "ami" {
  name = var.ami_parameter
}

module "plan" {
  source            = "./modules/plan"
  name              = var.name
  region            = var.region
  vpc_cidr          = var.vpc_cidr
  zones             = var.zones
  gatherers         = var.gatherers
  deduplicator_zone = var.deduplicator_zone
  market_tickers    = var.market_tickers
  deltas_per_second = var.deltas_per_second
  retention_hours   = var.retention_hours
  hot_days          = var.hot_days
  release           = var.release
  parameters        = var.parameters
  archive_bucket    = var.archive_bucket
  backup_bucket     = var.backup_bucket
}

module "network" {
  source      = "./modules/network"
  name        = var.name
  region      = var.region
  vpc_cidr    = var.vpc_cidr
  subnets     = module.plan.subnets
  kms_key_arn = aws_kms_key.this.arn
}

module "archive" {
  source         = "./modules/archive"
  archive_bucket = var.archive_bucket
  backup_bucket  = var.backup_bucket
  kms_key_arn    = aws_kms_key.this.arn
}

module "gatherer" {
  source             = "./modules/node"
  for_each           = module.plan.gatherers
  name               = "${var.name}-${each.key}"
  identity           = each.key
  zone               = each.value.zone
  subnet_id          = module.network.private_subnets[each.value.zone]
  address            = each.value.address
  security_group_ids = [aws_security_group.gatherer.id]
  ami_id             = data.aws_ssm_parameter.ami.insecure_value
  instance_type      = var.instance_types.gatherer
  disk_gib           = each.value.disk_gib
  kms_key_arn        = aws_kms_key.this.arn
  user_data          = each.value.user_data
  policy_json        = data.aws_iam_policy_document.gatherer.json
  alarm_topic_arns   = [aws_sns_topic.alarms.arn]
}

module "deduplicator" {
  source             = "./modules/node"
  name               = "${var.name}-deduplicator"
  identity           = "deduplicator"
  zone               = module.plan.deduplicator.zone
  subnet_id          = module.network.private_subnets[module.plan.deduplicator.zone]
  address            = module.plan.deduplicator.address
  security_group_ids = [aws_security_group.deduplicator.id]
  ami_id             = data.aws_ssm_parameter.ami.insecure_value
  instance_type      = var.instance_types.deduplicator
  disk_gib           = module.plan.deduplicator.disk_gib
  disk_iops          = 6000
  disk_throughput    = 500
  kms_key_arn        = aws_kms_key.this.arn
  user_data          = module.plan.deduplicator.user_data
  policy_json        = data.aws_iam_policy_document.deduplicator.json
  alarm_topic_arns   = [aws_sns_topic.alarms.arn]
}
