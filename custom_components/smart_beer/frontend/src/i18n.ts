// The cards' own words; everything else is Home Assistant's.

const EN = {
  bad: "no reading",
  brewery: "Brewery",
  cellar: "Fermentation",
  earlier: "Earlier",
  later: "Later",
  live: "Live",
  last: "The last",
  no_bridge: "No storage bridge is connected: only what arrives now is shown. Settings > Devices > smart-beer > Configure > Connect a storage bridge.",
  no_series: "There is nothing to draw yet: no node has reported a channel that fits this card.",
  nodes: "Nodes",
  partial: "Incomplete: no answer from",
  failed: "The history could not be read:",
  ranges: "Time range",
  silent: "no news",
  starting: "Home Assistant is starting: what is shown here goes on as soon as its nodes are back.",
  title: "History",
  range_1: "1 h",
  range_6: "6 h",
  range_24: "1 d",
  range_168: "7 d",
  range_720: "30 d",
  range_8760: "1 y",
  card_description: "Any series over any time, live at the right edge",
  strategy_description: "Kettles, fermentation and nodes of your brewery",
  empty_title: "No kettle yet",
  empty_text: "Add a node: Settings > Devices & services > smart-beer > Add node. Its kettles appear here by themselves.",
};

const ES: typeof EN = {
  bad: "sin lectura",
  brewery: "Cervecería",
  cellar: "Fermentación",
  earlier: "Antes",
  later: "Después",
  live: "En vivo",
  last: "Periodo de",
  no_bridge: "No hay puente de almacenamiento conectado: solo se muestra lo que llega ahora. Ajustes > Dispositivos > smart-beer > Configurar > Conectar un puente de almacenamiento.",
  no_series: "Aún no hay nada que dibujar: ningún nodo ha informado de un canal que encaje en esta tarjeta.",
  nodes: "Nodos",
  partial: "Incompleto: sin respuesta de",
  failed: "No se pudo leer el historial:",
  ranges: "Periodo",
  silent: "sin noticias",
  starting: "Home Assistant está arrancando: esto continúa en cuanto vuelvan sus nodos.",
  title: "Historial",
  range_1: "1 h",
  range_6: "6 h",
  range_24: "1 d",
  range_168: "7 d",
  range_720: "30 d",
  range_8760: "1 a",
  card_description: "Cualquier serie en cualquier periodo, en vivo en el borde derecho",
  strategy_description: "Ollas, fermentación y nodos de tu cervecería",
  empty_title: "Aún no hay ollas",
  empty_text: "Añade un nodo: Ajustes > Dispositivos y servicios > smart-beer > Añadir nodo. Sus ollas aparecen aquí por sí solas.",
};

export type Word = keyof typeof EN;

/** The user's language where we have it, else English. */
export function words(language: string): Record<Word, string> {
  return language.split("-")[0] === "es" ? ES : EN;
}
