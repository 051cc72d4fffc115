// Ids of stream entries, `<ms>-<n>`, in the order Redis gives them.

export function compareEntryIds(a: string, b: string): number {
  const [aMs = 0, aN = 0] = a.split("-").map(Number);
  const [bMs = 0, bN = 0] = b.split("-").map(Number);
  return aMs - bMs || aN - bN;
}

export const laterEntry = (a: string, b: string) => (compareEntryIds(a, b) < 0 ? b : a);
export const earlierEntry = (a: string, b: string) => (compareEntryIds(a, b) < 0 ? a : b);
