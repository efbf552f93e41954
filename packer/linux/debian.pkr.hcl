# The image that Slipway ships, made from Debian's cloud image where images/debian makes it from packages: the same
# packages and the same configuration, and nothing left of cloud-init.
build {
  name    = "debian"
  sources = ["source.qemu.machine"]

  provisioner "file" {
    source      = "${var.work}/guest.tar"
    destination = "/root/guest.tar"
  }
  provisioner "shell" {
    environment_vars = ["PACKAGES=${var.packages}"]
    inline = [
      "mkdir /root/slipway && tar -C /root/slipway -xf /root/guest.tar",
      "/root/slipway/install debian",
      "/root/slipway/seal",
    ]
  }
}
