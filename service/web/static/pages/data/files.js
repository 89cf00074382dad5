// The files that were uploaded from this tab, so that they can be sent again and read otherwise.
const files = new Map();

export const remember = (id, file) => files.set(id, file);
export const remembered = (id) => files.get(id) || null;
