// What a JSON Schema asks for, as far as a form needs it.

/** The schema behind a reference; what stands beside the reference goes first. */
export function resolved(root, schema) {
  if (!schema?.$ref) return schema || {};
  const { $ref, ...beside } = schema;
  return { ...resolved(root, root[$ref.split("/").pop()]), ...beside };
}

/** The alternatives that a schema allows, without null. */
export function alternatives(root, schema) {
  const whole = resolved(root, schema);
  const parts = whole.anyOf || whole.oneOf;
  if (!parts) return whole.type === "null" ? [] : [whole];
  return parts.flatMap((part) => alternatives(root, part));
}

const kindOf = (schema) => schema.properties?.kind?.const;

/** What an alternative is called where one chooses between them. */
export function nameOf(schema) {
  if (schema.const !== undefined) return String(schema.const);
  if (kindOf(schema)) return kindOf(schema);
  if (schema.type === "object") return schema.additionalProperties && !schema.properties ? "by name" : schema.title ? spaced(schema.title) : "settings";
  if (schema.enum) return "a choice";
  return { string: "a text", number: "a number", integer: "a whole number", boolean: "yes or no", array: "a list" }[schema.type] || "a value";
}

const spaced = (title) => title.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();

export function fits(schema, value) {
  if (value === undefined) return false;
  if (schema.const !== undefined) return value === schema.const;
  if (schema.enum) return schema.enum.includes(value);
  if (kindOf(schema)) return value?.kind === kindOf(schema);
  switch (schema.type) {
    case "object": return value !== null && typeof value === "object" && !Array.isArray(value);
    case "array": return Array.isArray(value);
    case "string": return typeof value === "string";
    case "boolean": return typeof value === "boolean";
    case "integer": return Number.isInteger(value);
    case "number": return typeof value === "number";
    default: return false;
  }
}

/** A value to begin with: the default, the middle of where a search looks, or the smallest thing. */
export function beginning(root, schema, catalogue) {
  const whole = resolved(root, schema);
  if (whole["x-default"] !== undefined) return structuredClone(whole["x-default"]);
  const [first] = alternatives(root, whole);
  if (!first) return null;
  if (first["x-default"] !== undefined) return structuredClone(first["x-default"]);
  if (first["x-search"]) return middle(first["x-search"]);
  if (first.const !== undefined) return first.const;
  if (first.enum) return first.enum[0];
  switch (first.type) {
    case "object": {
      const made = {};
      for (const name of first.required || []) made[name] = beginning(root, first.properties[name], catalogue);
      return made;
    }
    case "array": return first.minItems ? [beginning(root, first.items)] : [];
    case "string": return whole.examples?.[0] ?? first.examples?.[0] ?? "";
    case "boolean": return true;
    case "integer": return Math.ceil(first.minimum ?? (first.exclusiveMinimum ?? 0) + 1);
    case "number": return first.minimum ?? 0.1;
    default: return null;
  }
}

function middle({ low, high, log }) {
  const value = log ? Math.sqrt(low * high) : (low + high) / 2;
  return Number(value.toPrecision(1));
}

export const isScalar = (schema) => ["string", "number", "integer", "boolean"].includes(schema.type) || schema.const !== undefined || Boolean(schema.enum);

/** The first sentence of a description, for beneath a field. */
export function brief(description = "") {
  const text = description.replaceAll("\n", " ").replaceAll("`", "");
  const end = text.search(/[.;:](\s|$)/);
  return end > 0 ? text.slice(0, end + 1).replace(/[;:]$/, ".") : text;
}
