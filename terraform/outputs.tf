output "gatherers" {
  description = "By id: private address and instance, for Session Manager."
  value       = { for id, node in module.gatherer : id => { address = module.plan.gatherers[id].address, instance = node.instance_id } }
}

output "deduplicator" {
  description = "Private address and instance."
  value       = { address = module.plan.deduplicator.address, instance = module.deduplicator.instance_id }
}

output "reader_security_group" {
  description = "Attach it to a machine in the VPC that may query and scrape."
  value       = aws_security_group.reader.id
}

output "status_page" {
  description = "How a person reaches the status page: forward the port, then open http://127.0.0.1:8080/."
  value       = "aws ssm start-session --target ${module.deduplicator.instance_id} --document-name AWS-StartPortForwardingSessionToRemoteHost --parameters host=${module.plan.deduplicator.address},portNumber=8080,localPortNumber=8080"
}
