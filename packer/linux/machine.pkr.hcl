# The machine in which an image is made: a cloud image, started with a key that cloud-init lets in for this build alone.
variable "base" {
  type        = string
  description = "Path or address of the cloud image to start from, a qcow2 file."
}

variable "base_checksum" {
  type        = string
  description = "What it must be, as sha256:HEX."
}

variable "work" {
  type        = string
  description = "Folder of this build: key, seed for cloud-init, what goes into the guest."
}

variable "out" {
  type        = string
  description = "Folder that is made, and in it disk.qcow2."
}

variable "accelerator" {
  type    = string
  default = "kvm"
}

variable "packages" {
  type        = string
  default     = ""
  description = "Further Debian packages, with spaces between."
}

variable "disk_size" {
  type        = string
  default     = "10G"
  description = "Of the image; a machine's disk may be larger, not smaller."
}

variable "memory" {
  type    = number
  default = 2048
}

source "qemu" "machine" {
  iso_url          = var.base
  iso_checksum     = var.base_checksum
  disk_image       = true
  disk_size        = var.disk_size
  disk_discard     = "unmap"
  format           = "qcow2"
  output_directory = var.out
  vm_name          = "disk.qcow2"

  accelerator = var.accelerator
  cpus        = 2
  memory      = var.memory
  headless    = true
  # Packer would let the whole network knock at the guest while it is built.
  qemuargs = [
    ["-netdev", "user,id=user.0,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22"],
    ["-smbios", "type=1,serial=ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/"],
    ["-serial", "file:${var.work}/console.log"],
    ["-cpu", "max"],
  ]
  http_directory    = "${var.work}/seed"
  http_bind_address = "127.0.0.1"

  ssh_username         = "root"
  ssh_private_key_file = "${var.work}/key"
  ssh_timeout          = "30m"
  boot_wait            = "1s"
  shutdown_command     = "systemctl poweroff"
  shutdown_timeout     = "10m"
}
