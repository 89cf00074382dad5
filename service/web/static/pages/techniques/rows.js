// Pictures of what acts on training rows: images and tables.
import { html } from "../../html.js";
import { beta, chance, image, label, normal, percent, short } from "./drawing.js";

const N = 16;

/** A house with one window, a chimney and a sun: each of its sides is another. */
const HOUSE = Array.from({ length: N }, (_, i) => Array.from({ length: N }, (__, j) => {
  if ((i - 3) ** 2 + (j - 13) ** 2 <= 3) return 0.55;
  if (i >= 3 && i <= 6 && j === 4) return 0.8;
  if (i >= 4 && i < 8 && Math.abs(j - 7) <= (i - 4) * 1.4 + 0.4) return 1;
  if (i >= 8 && i < 14 && j >= 3 && j <= 11) return i >= 9 && i <= 10 && j >= 4 && j <= 5 ? 0.15 : i >= 10 && j >= 8 && j <= 9 ? 0.3 : 0.7;
  return i === 14 ? 0.35 : 0;
}));
const TREE = Array.from({ length: N }, (_, i) => Array.from({ length: N }, (__, j) => {
  if ((i - 6) ** 2 + (j - 8) ** 2 <= 22) return 0.75;
  if (i > 10 && i < 14 && (j === 8 || j === 7)) return 1;
  return i === 14 ? 0.35 : 0;
}));

const pixel = (source, i, j) => source[i]?.[j] ?? 0;
const over = (of) => Array.from({ length: N }, (_, i) => Array.from({ length: N }, (__, j) => of(i, j)));

/** The image, and five samples that are made of it. */
function samples(make, seed) {
  const random = chance(seed);
  const made = Array.from({ length: 5 }, () => make(random));
  return html`${label(20, 16, "the row")}${image(HOUSE, 20, 24, 88)}${label(146, 16, "what is trained on")}
    ${made.map((pixels, n) => image(pixels, 146 + (n % 3) * 104, 24 + Math.floor(n / 3) * 104, 96))}`;
}

function rotated(degrees) {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const m = (N - 1) / 2;
  return over((i, j) => {
    const [u, v] = [c * (i - m) - s * (j - m) + m, s * (i - m) + c * (j - m) + m];
    const [a, b] = [Math.floor(u), Math.floor(v)];
    const [x, y] = [u - a, v - b];
    return (1 - x) * ((1 - y) * pixel(HOUSE, a, b) + y * pixel(HOUSE, a, b + 1)) + x * ((1 - y) * pixel(HOUSE, a + 1, b) + y * pixel(HOUSE, a + 1, b + 1));
  });
}

/** A box of a share of the image, and whether a place is in it. */
function box(share, random) {
  const side = Math.sqrt(share) * N;
  const [top, left] = [random() * N - side / 2, random() * N - side / 2];
  return (i, j) => i >= top && i < top + side && j >= left && j < left + side;
}

const P = { name: "p", label: "p, the probability", min: 0, max: 1, step: 0.05, value: 0.5 };

const CLASSES = (() => {
  const random = chance(9);
  return Array.from({ length: 44 }, (_, n) => [normal(random) * 0.5 + (n % 2 ? 1.1 : -1.1), normal(random) * 0.75 + (n % 2 ? 0.3 : -0.3), n % 2]);
})();
const [X, Y] = [(value) => 240 + value * 78, (value) => 115 - value * 48];
const mark = ([u, v, side], className = "") => (side ? html`<circle class=${className || "after"} cx=${X(u)} cy=${Y(v)} r="4" />` : html`<rect class=${className || "minus"} x=${X(u) - 3.5} y=${Y(v) - 3.5} width="7" height="7" />`);

export const rows = {
  random_crop: {
    drawn: true,
    sliders: [{ name: "padding", label: "m, pixels of padding", min: 0, max: 8, step: 1, value: 3 }],
    draw: ({ padding }, seed) => ({
      svg: samples((random) => {
        const [a, b] = [0, 0].map(() => Math.floor(random() * (2 * padding + 1)) - padding);
        return over((i, j) => pixel(HOUSE, i + a, j + b));
      }, seed),
      words: `Each sample is shifted by up to ${padding} of its 16 pixels, to all sides; what comes in from outside is 0.`,
    }),
  },
  flip: {
    drawn: true,
    sliders: [{ ...P, name: "horizontal", label: "horizontal, probability" }, { ...P, name: "vertical", label: "vertical, probability", value: 0 }],
    draw: ({ horizontal, vertical }, seed) => ({
      svg: samples((random) => {
        const [h, v] = [random() < horizontal, random() < vertical];
        return over((i, j) => HOUSE[v ? N - 1 - i : i][h ? N - 1 - j : j]);
      }, seed),
      words: `Left and right change places with probability ${percent(horizontal)}, top and bottom with ${percent(vertical)}. Do so only where the mirrored picture is one of the same class.`,
    }),
  },
  rotation: {
    drawn: true,
    sliders: [{ name: "degrees", label: "d, degrees", min: 0, max: 180, step: 5, value: 15 }],
    draw: ({ degrees }, seed) => ({
      svg: samples((random) => rotated((random() * 2 - 1) * degrees), seed),
      words: `Each sample is turned by an angle from −${degrees}° to ${degrees}°, all equally likely; corners that come in are 0.`,
    }),
  },
  color_jitter: {
    drawn: true,
    sliders: [{ name: "brightness", label: "brightness", min: 0, max: 1, step: 0.05, value: 0.2 }, { name: "contrast", label: "contrast", min: 0, max: 1, step: 0.05, value: 0.2 }],
    draw: ({ brightness, contrast }, seed) => {
      const centre = HOUSE.flat().reduce((sum, value) => sum + value, 0) / N / N;
      return {
        svg: samples((random) => {
          const [b, c] = [(random() * 2 - 1) * brightness, 1 + (random() * 2 - 1) * contrast];
          return over((i, j) => c * (HOUSE[i][j] - centre) + centre + b);
        }, seed),
        words: `Each sample is brighter or darker by up to ${short(brightness)}, and its contrast is multiplied by ${short(1 - contrast)} to ${short(1 + contrast)}. Shown in grey; saturation acts on colours alone.`,
      };
    },
  },
  image_noise: {
    drawn: true,
    sliders: [P, { name: "deviation", label: "σ, the deviation", min: 0, max: 1, step: 0.05, value: 0.1 }],
    draw: ({ p, deviation }, seed) => ({
      svg: samples((random) => (random() < p ? over((i, j) => HOUSE[i][j] + deviation * normal(random)) : HOUSE), seed),
      words: `With probability ${percent(p)} each pixel is moved by normal noise of deviation ${short(deviation)}.`,
    }),
  },
  erasing: {
    drawn: true,
    sliders: [P, { name: "largest", label: "largest share of the image", min: 0.02, max: 1, step: 0.02, value: 0.34 }],
    draw: ({ p, largest }, seed) => ({
      svg: samples((random) => {
        if (random() >= p) return HOUSE;
        const inside = box(0.02 + random() * (largest - 0.02), random);
        return over((i, j) => (inside(i, j) ? 0.5 + 0.3 * normal(random) : HOUSE[i][j]));
      }, seed),
      words: `With probability ${percent(p)} a rectangle of 2 % to ${percent(largest)} of the image is hidden behind noise.`,
    }),
  },
  cutout: {
    drawn: true,
    sliders: [P, { name: "share", label: "share that is cut", min: 0, max: 1, step: 0.05, value: 0.2 }],
    draw: ({ p, share }, seed) => ({
      svg: samples((random) => {
        if (random() >= p) return HOUSE;
        const inside = box(share, random);
        return over((i, j) => (inside(i, j) ? 0 : HOUSE[i][j]));
      }, seed),
      words: `With probability ${percent(p)} a box of ${percent(share)} of the image is set to 0. Of a table it is a random set of ${percent(share)} of the features.`,
    }),
  },
  mixup: {
    drawn: true,
    sliders: [{ name: "alpha", label: "α", min: 0, max: 2, step: 0.05, value: 0.2 }],
    draw: ({ alpha }, seed) => {
      const random = chance(seed + 30);
      let between = 0;
      const mixed = CLASSES.map((one, n) => {
        const other = CLASSES[Math.floor(random() * CLASSES.length)];
        const part = alpha > 0 ? beta(alpha, random) : 1;
        if (part > 0.1 && part < 0.9) between += 1;
        const [u, v, side] = [0, 1, 2].map((k) => part * one[k] + (1 - part) * other[k]);
        return html`<line class="faint" x1=${X(one[0])} y1=${Y(one[1])} x2=${X(u)} y2=${Y(v)} /><circle class="before" cx=${X(u)} cy=${Y(v)} r="4" /><circle class="after" cx=${X(u)} cy=${Y(v)} r="4" fill-opacity=${side.toFixed(2)} /><circle class="minus" cx=${X(u)} cy=${Y(v)} r="4" fill-opacity=${(1 - side).toFixed(2)} />`;
      });
      return {
        svg: html`${mixed}${CLASSES.map((one) => mark(one, "open"))}`,
        words: `Rows of two classes (open), and what is trained on: points between two rows, whose target is mixed as they are. ${between} of ${CLASSES.length} lie well between; small α leaves most near a row. Here each row has a λ of its own; in training a batch has one.`,
      };
    },
  },
  cutmix: {
    drawn: true,
    sliders: [P, { name: "alpha", label: "α", min: 0.05, max: 3, step: 0.05, value: 1 }],
    draw: ({ p, alpha }, seed) => {
      const random = chance(seed);
      const made = Array.from({ length: 4 }, () => {
        if (random() >= p) return { pixels: HOUSE, share: 0 };
        const side = Math.sqrt(beta(alpha, random)) * N;
        const [top, left] = [0, 0].map(() => Math.floor(random() * (N - side + 1)));
        let inside = 0;
        const pixels = over((i, j) => {
          const within = i >= top && i < top + side && j >= left && j < left + side;
          if (within) inside += 1;
          return (within ? TREE : HOUSE)[i][j];
        });
        return { pixels, share: inside / N / N };
      });
      return {
        svg: html`${label(20, 16, "two rows")}${image(HOUSE, 20, 24, 84)}${image(TREE, 20, 118, 84)}
          ${made.map(({ pixels, share }, n) => html`${image(pixels, 140 + (n % 2) * 160, 24 + Math.floor(n / 2) * 104, 84)}${label(230 + (n % 2) * 160, 62 + Math.floor(n / 2) * 104, `${percent(1 - share)}`, { className: "strong" })}${label(230 + (n % 2) * 160, 78 + Math.floor(n / 2) * 104, "house")}`)}`,
        words: `With probability ${percent(p)} a box of the house is swapped for the tree's, and the target is a house as far as the house is seen: ${made.map(({ share }) => percent(1 - share)).join(", ")} in the four samples.`,
      };
    },
  },
  adversarial: {
    sliders: [{ name: "epsilon", label: "ε, in deviations of a feature", min: 0, max: 0.8, step: 0.02, value: 0.2 }],
    draw: ({ epsilon }) => {
      const toward = (side) => (side ? -1 : 1);
      const wrong = (u, v, side) => u * 1.1 + v * 0.3 > 0 !== Boolean(side);
      const lost = CLASSES.filter(([u, v, side]) => !wrong(u, v, side) && wrong(u + toward(side) * epsilon, v + toward(side) * epsilon, side)).length;
      return {
        svg: html`<line class="axis" x1=${X(-0.6)} y1=${Y(2.2)} x2=${X(0.6)} y2=${Y(-2.2)} />${label(X(-0.55) + 8, 22, "where the answer changes")}
          ${CLASSES.map(([u, v, side]) => html`<line class="faint" x1=${X(u)} y1=${Y(v)} x2=${X(u + toward(side) * epsilon)} y2=${Y(v + toward(side) * epsilon)} />${mark([u, v, side], "open")}${mark([u + toward(side) * epsilon, v + toward(side) * epsilon, side])}`)}`,
        words: `Each row is moved by ${short(epsilon)} in every feature, to where its loss grows: towards the other class. ${lost} of ${CLASSES.length} would be answered otherwise there; training on them moves the border away.`,
      };
    },
  },
};
