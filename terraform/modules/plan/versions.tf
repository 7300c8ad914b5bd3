# No provider: everything here is logic, and its tests run anywhere.
terraform {
  required_version = ">= 1.9"
}
