// The two words of a double: its sign, exponent and first bits, and the rest.

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

/** The sign, eleven bits of exponent, and the first twenty of the fraction. */
export function upperWordOf(value: number): number {
  double[0] = value;
  return words[1]!;
}

export function lowerWordOf(value: number): number {
  double[0] = value;
  return words[0]!;
}

/** The double with this upper word and a lower word of 0. */
export function doubleOf(upperWord: number): number {
  words[0] = 0;
  words[1] = upperWord;
  return double[0]!;
}
