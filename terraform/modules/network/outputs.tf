output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnets" {
  description = "By zone."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}
