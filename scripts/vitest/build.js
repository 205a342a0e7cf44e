// Tests that start remedy itself need the built code.
import { build } from '../setup.js';

export default function setup() {
  build();
}
