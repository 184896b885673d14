/** Runs `measure` for each item in each round, in another order each time: nobody always comes first. */
export async function interleave<T>(
  rounds: number,
  items: readonly T[],
  measure: (item: T) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    for (const index of items.keys()) {
      const item = items[(index + round) % items.length]
      if (item !== undefined) await measure(item)
    }
  }
}
