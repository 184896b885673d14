import { setFlagsFromString } from 'node:v8'

/**
 * Lets V8 allocate what a call needs among the young objects, always. Where many calls once waited together, such as for the
 * keys of an issuer, it concludes that their objects live long, and from then on allocates those of every call among the
 * old ones. There each holds on to the young objects of its call until the whole heap is collected: a quarter of the CPU,
 * for as long as calls come. To be called before the server is loaded; code that is compiled already keeps its places.
 */
export function keepCallsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
