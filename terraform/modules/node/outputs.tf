output "instance_id" {
  description = "For Session Manager: aws ssm start-session --target."
  value       = aws_instance.this.id
}

output "user_data" {
  description = "What the machine was told at its first boot."
  value       = aws_instance.this.user_data
}

output "volume_id" {
  description = "The data volume."
  value       = aws_ebs_volume.data.id
}

output "role_arn" {
  description = "The machine's role."
  value       = aws_iam_role.this.arn
}
