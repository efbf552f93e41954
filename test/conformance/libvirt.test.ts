import { driverConformance } from './driver-conformance.ts'
import { libvirtHost } from './libvirt-host.ts'

driverConformance('libvirt', libvirtHost)
