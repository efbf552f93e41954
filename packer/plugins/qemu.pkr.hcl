# For Packer 1.7 and newer, once: `packer init packer/plugins`. Apart from the recipes, for Packer 1.6 of Debian 12 has the
# plugin built in and does not know this block.
packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = "~> 1.1"
    }
  }
}
