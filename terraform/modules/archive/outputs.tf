output "arns" {
  description = "By purpose: archive, backup."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}
