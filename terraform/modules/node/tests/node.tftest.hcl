# What makes `-replace` of an instance safe, on mocked resources.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
  }
}

variables {
  name               = "kalshi-east"
  identity           = "east"
  zone               = "us-east-1a"
  subnet_id          = "subnet-1"
  address            = "10.0.0.10"
  security_group_ids = ["sg-1"]
  ami_id             = "ami-1"
  instance_type      = "c7i.large"
  disk_gib           = 100
  kms_key_arn        = "arn:aws:kms:us-east-1:111111111111:key/1"
  user_data          = "disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_@VOLUME@"
  policy_json        = "{}"
  alarm_topic_arns   = ["arn:aws:sns:us-east-1:111111111111:alarms"]
}

run "first" {
  command = apply
  assert {
    condition     = aws_instance.this.user_data == "disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"
    error_message = "the machine is told its own volume"
  }
  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required" && aws_instance.this.root_block_device[0].encrypted && aws_ebs_volume.data.encrypted
    error_message = "tokens for the metadata, encryption at rest"
  }
}

run "a_newer_image_or_release_replaces_nothing" {
  command = plan
  variables {
    ami_id    = "ami-2"
    user_data = "another release"
  }
  assert {
    condition     = aws_instance.this.ami == "ami-1" && aws_instance.this.user_data == run.first.user_data && aws_instance.this.id == run.first.instance_id
    error_message = "an apply alone leaves every machine as it is"
  }
}

run "replacing_the_machine_keeps_the_volume_and_the_address" {
  command = plan
  variables {
    ami_id    = "ami-2"
    user_data = "another release"
  }
  plan_options {
    replace = [aws_instance.this]
  }
  assert {
    condition     = aws_ebs_volume.data.id == run.first.volume_id && aws_network_interface.this.private_ips == tolist(["10.0.0.10"])
    error_message = "spool and address outlive the instance"
  }
  assert {
    condition     = aws_instance.this.ami == "ami-2" && aws_instance.this.user_data == "another release"
    error_message = "a machine that is replaced on purpose takes the newest image and release"
  }
  assert {
    condition     = run.first.instance_id != ""
    error_message = "there was one"
  }
}

run "no_word_is_an_alarm" {
  command = plan
  assert {
    condition     = aws_cloudwatch_metric_alarm.health.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.disk.treat_missing_data == "breaching"
    error_message = "a machine that says nothing is not well"
  }
}
