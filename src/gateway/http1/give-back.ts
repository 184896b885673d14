/**
 * Gives the memory of a piece back at once, which must be nobody else's: Node reads each into memory of its own, and 64 MB
 * of these make the garbage collector go through the whole heap, which costs more than the body itself. Does nothing to
 * a part of a larger memory.
 */
export function giveBack({ buffer, length }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0)
}
