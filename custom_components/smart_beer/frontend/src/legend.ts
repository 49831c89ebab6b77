// The list under a chart: each line's name and its value, newest or under the cursor.

export interface LegendItem {
  name: string;
  colour: string;
  /** CSS border style: that of the line. */
  stroke: string;
  text: string;
}

/** Shows these items in `list`, touching only what is new: a screen reader may be on it. */
export function showLegend(list: HTMLElement, items: LegendItem[], at: string): void {
  while (list.children.length > items.length + 1) list.lastElementChild!.remove();
  while (list.children.length < items.length + 1) {
    const item = document.createElement("li");
    item.append(document.createElement("i"), document.createElement("span"), " ", document.createElement("b"));
    list.append(item);
  }
  items.forEach((item, index) => {
    const [mark, name, value] = list.children[index]!.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
    mark.style.borderTop = `3px ${item.stroke} ${item.colour}`;
    put(name, item.name);
    put(value, item.text);
    list.children[index]!.className = "";
  });
  const last = list.lastElementChild!;
  const [mark, name, value] = last.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
  mark.style.borderTop = "";
  put(name, at);
  put(value, "");
  last.className = "at";
}

function put(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
