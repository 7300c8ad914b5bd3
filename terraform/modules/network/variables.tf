variable "name" {
  description = "Prefix of names."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC."
  type        = string
}

variable "subnets" {
  description = "By zone: the private and the public block."
  type        = map(object({ private = string, public = string }))
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the flow logs."
  type        = string
}
