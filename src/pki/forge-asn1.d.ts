// node-forge's ASN.1 module by itself: the whole library would cost every component megabytes.
declare module 'node-forge/lib/asn1.js' {
  import { asn1 } from 'node-forge';
  export default asn1;
}
