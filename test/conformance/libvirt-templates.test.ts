import { libvirtHost } from './libvirt-host.ts'
import { templateConformance } from './template-conformance.ts'

templateConformance('libvirt', libvirtHost)
