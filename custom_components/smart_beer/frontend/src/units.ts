// From the units of the wire (°C, kPa) to those that the user's Home Assistant shows.

const TEMPERATURE: Record<string, (celsius: number) => number> = {
  "°C": (celsius) => celsius,
  "°F": (celsius) => celsius * 1.8 + 32,
  K: (celsius) => celsius + 273.15,
};

/** How many of each unit make one kilopascal (NIST SP 811, table B.8). */
const PER_KILOPASCAL: Record<string, number> = {
  kPa: 1,
  Pa: 1000,
  hPa: 10,
  mbar: 10,
  cbar: 1,
  bar: 0.01,
  psi: 1 / 6.894757293168,
  mmHg: 1 / 0.1333223874,
  inHg: 1 / 3.386389,
};

/** A function from `from` to `to`; the identity where no conversion is known. */
export function converter(from: string | null, to: string | null): (value: number) => number {
  if (from === "°C" && to !== null && to in TEMPERATURE) return TEMPERATURE[to]!;
  if (from === "kPa" && to !== null && to in PER_KILOPASCAL) {
    const factor = PER_KILOPASCAL[to]!;
    return (value) => value * factor;
  }
  return (value) => value;
}

/** Whether `converter` knows this pair; if not, the wire's own unit must be shown. */
export function convertible(from: string | null, to: string | null): boolean {
  return from === to || (from === "°C" && to !== null && to in TEMPERATURE) || (from === "kPa" && to !== null && to in PER_KILOPASCAL);
}

/** The smallest stretch of an axis that is worth looking at, in its unit. */
export function leastSpan(unit: string): number {
  return { bar: 0.1, vol: 0.1, kPa: 10, hPa: 100, mbar: 100, Pa: 10_000 }[unit] ?? 1;
}

/** Decimals that show what a probe resolves, and no more. */
export function decimals(unit: string | null): number {
  if (unit === "bar" || unit === "vol") return 2;
  if (unit === "Pa" || unit === "hPa" || unit === "mbar") return 0;
  return 1;
}

/** `66.2 °C`, as the language writes numbers. */
export function measured(value: number, unit: string | null, language: string): string {
  const digits = decimals(unit);
  const number = value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${number} ${unit ?? ""}`.trim();
}
