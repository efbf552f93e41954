# A Debian or Ubuntu cloud image of your own: what is in it stays, and it becomes an image that machines are made of.
# Further provisioners of yours go between the two commands.
build {
  name    = "cloud-image"
  sources = ["source.qemu.machine"]

  provisioner "file" {
    source      = "${var.work}/guest.tar"
    destination = "/root/guest.tar"
  }
  provisioner "shell" {
    environment_vars = ["PACKAGES=${var.packages}"]
    inline = [
      "mkdir /root/slipway && tar -C /root/slipway -xf /root/guest.tar",
      "/root/slipway/install cloud-image",
    ]
  }
  provisioner "shell" {
    inline = ["/root/slipway/seal"]
  }
}
