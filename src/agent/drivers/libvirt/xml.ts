import { DOMImplementation, type Document, type Element, XMLSerializer } from '@xmldom/xmldom'

/** An XML element as a value; what is absent is left out. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string | number | undefined>>
  readonly content: readonly (XmlElement | string)[]
}

/** `xml('disk', { type: 'file' }, [xml('target', { dev: 'vda' })])` */
export const xml = (
  name: string,
  attributes: XmlElement['attributes'] = {},
  content: readonly (XmlElement | string | number | undefined)[] = [],
): XmlElement => ({
  name,
  attributes,
  content: content
    .filter((part) => part !== undefined)
    .map((part) => (typeof part === 'number' ? String(part) : part)),
})

/** Namespaces an element name's prefix stands for. */
const NAMESPACES: Readonly<Record<string, string>> = {
  qemu: 'http://libvirt.org/schemas/domain/qemu/1.0',
  slipway: 'urn:slipway:machine',
}

/** Serialised by the library, values escaped by it: no text is put together here. */
export function toXml(root: XmlElement): string {
  const document = new DOMImplementation().createDocument(null, root.name)
  const element = document.documentElement
  if (element === null) throw new Error('bug: a document without its element')
  fill(document, element, root)
  return new XMLSerializer().serializeToString(document)
}

function fill(document: Document, element: Element, { attributes, content }: XmlElement): void {
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(name, wellFormed(String(value)))
  for (const part of content) {
    if (typeof part === 'string') {
      element.appendChild(document.createTextNode(wellFormed(part)))
    } else {
      const [prefix, local] = part.name.split(':')
      const child = document.createElementNS(
        local === undefined ? null : (NAMESPACES[prefix ?? ''] ?? null),
        part.name,
      )
      element.appendChild(child)
      fill(document, child, part)
    }
  }
}

/** XML 1.0 has no way to write most control characters, escaped or not. */
function wellFormed(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text) || !text.isWellFormed())
    throw new Error(`bug: ${JSON.stringify(text)} cannot stand in XML`)
  return text
}
