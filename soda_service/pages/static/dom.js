// @ts-check
// Elements of the pages, found and made; each of the kind that is expected, or an error says so.

/**
 * Return the first element below `root` that a selector finds.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind class of the element
 * @returns {T}
 */
export const select = (root, selector, kind) => {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`${selector} is ${found ? `<${found.localName}>` : "missing"}, not ${kind.name}`);
};

/**
 * Return the element with an id.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind] class of the element; any by default
 * @returns {T}
 */
export const find = (id, kind = /** @type {any} */ (HTMLElement)) =>
  select(document, `#${id}`, kind);

/**
 * Return the element of a click or change that a selector finds at it or around it, if any.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const closest = (event, selector) =>
  event.target instanceof Element ? event.target.closest(selector) : null;

/**
 * Return a new element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} [properties]
 * @param {...(Node | string)} children
 */
export const make = (tag, properties = {}, ...children) => {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...children);
  return element;
};

/**
 * Return the content of a `<meta>` of the page.
 * @param {string} name
 */
export const meta = (name) => select(document, `meta[name="${name}"]`, HTMLMetaElement).content;

/**
 * Return a path of a result as it stands in an address.
 * @param {string} path
 */
export const encodePath = (path) => path.split("/").map(encodeURIComponent).join("/");
