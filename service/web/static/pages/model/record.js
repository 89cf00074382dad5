// The row that is tried: its columns with what training met in them, and its values.
import { useEffect, useState } from "../../html.js";
import { useQuery } from "../../api.js";

/**
 * The columns of a version, with what is known of their values: `{name, kind, categories,
 * categories_count, shape, minimum, maximum, usual}`; null until it is known.
 */
export function useColumns(version) {
  const dataset = version?.manifest.dataset;
  const { data, error } = useQuery(typeof dataset === "string" ? `v1/datasets/${dataset}` : null);
  if (!version?.manifest.columns) return null;
  if (typeof dataset === "string" && !data && !error) return null;
  const reports = new Map((data?.columns || []).map((column) => [column.name, column]));
  return version.manifest.columns.map((column) => {
    const report = reports.get(column.name);
    const same = report && report.kind === column.kind;
    return {
      ...column,
      minimum: column.minimum ?? (same ? report.minimum : null) ?? null,
      maximum: column.maximum ?? (same ? report.maximum : null) ?? null,
      usual: usual(column, same || column.kind === "date" ? report : null),
    };
  });
}

const round = (value) => Number(Number(value).toPrecision(3));

/** A value to begin with. */
function usual(column, report) {
  if (column.kind === "categorical") return report?.commonest?.[0]?.value ?? column.categories[0] ?? null;
  if (column.kind === "image") return null;
  if (column.kind === "date") return day(report?.mean) ?? day(column.maximum) ?? day(report?.sample?.[0]) ?? new Date().toISOString().slice(0, 10);
  if (report?.mean !== null && report?.mean !== undefined) return round(report.mean);
  if (column.minimum !== null && column.minimum !== undefined) return round((column.minimum + column.maximum) / 2);
  return 0;
}

const day = (when) => (/^\d{4}-\d\d-\d\d/.test(when ?? "") ? when : null);

/** Whether a column's dates have a time of the day. */
export const timed = (column) => [column.minimum, column.maximum, column.usual].some((one) => String(one).includes("T"));

/** The record that is tried, by the names of columns; it stays while versions have the same columns. */
export function useRecord(version, columns) {
  const [record, setRecord] = useState({});
  const names = columns?.map((column) => column.name).join("\n");
  useEffect(() => {
    if (!columns) return;
    setRecord((old) => Object.fromEntries(columns.map((column) => [column.name, column.name in old ? old[column.name] : column.usual])));
  }, [names]);
  return [record, setRecord];
}
