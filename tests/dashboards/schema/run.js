// Are the dashboards what Grafana's own types say? @grafana/schema has them, and TypeScript compares.
// node run.js --dashboards FOLDER --modules FOLDER
//   --modules: where both packages are, or are put by npm; ends with 77 where they cannot be had.
//
// Each dashboard is held against Dashboard, and each panel's options and custom field settings against those of its kind.
'use strict';

const fs = require('fs');
const path = require('path');
const { option, packages, check, main } = require('../../support/script.js');

const kTypes = path.resolve(option('modules'), 'node_modules/@grafana/schema/dist/esm/raw');
const kPanels = ['timeseries', 'stat', 'table', 'heatmap', 'nodeGraph'];
// What Grafana itself writes and reads, and its types do not have.
const kUntyped = { variable: ['definition'], annotation: ['expr', 'step', 'titleFormat', 'textFormat'] };
// Enumerations count as their texts, which is what JSON has.
const kText = 'type Text<T> = T extends string ? `${T}` : T extends (infer U)[] ? Text<U>[] : T extends object ? { [K in keyof T]: Text<T[K]> } : T;';

// Where the types of a kind of panel are, and which of them there are.
function typesOf(kind) {
  const folder = path.join(kTypes, 'composable', kind.toLowerCase(), 'panelcfg/x');
  const file = fs.readdirSync(folder).find((name) => name.endsWith('.gen.d.ts'));
  const text = fs.readFileSync(path.join(folder, file), 'utf8');
  return { from: path.join(folder, file.replace('.d.ts', '')), has: (name) => new RegExp(`export (interface|type|declare type) ${name}\\b`).test(text) };
}

function without(object, keys) {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

// A program that says of each part what it is; `parts`: what each of its lines is about.
function program(boards) {
  const lines = [`import { Dashboard } from '${path.join(kTypes, 'dashboard/x/dashboard_types.gen')}';`, kText], parts = ['', ''];
  const kinds = Object.fromEntries(kPanels.map((kind) => [kind, typesOf(kind)]));
  for (const kind of kPanels) {
    lines.push(`import * as ${kind} from '${kinds[kind].from}';`);
    parts.push('');
  }
  const say = (what, type, value) => {
    lines.push(`const part${lines.length}: ${type} = ${JSON.stringify(value)};`);
    parts.push(what);
  };
  for (const [name, board] of Object.entries(boards)) {
    say(name, 'Text<Dashboard>', { ...board, id: null,
      templating: { list: board.templating.list.map((each) => without(each, kUntyped.variable)) },
      annotations: { list: board.annotations.list.map((each) => without(each, kUntyped.annotation)) } });
    for (const panel of board.panels.filter((each) => each.type !== 'row')) {
      const what = `${name}: ${panel.title}`, { custom } = panel.fieldConfig.defaults;
      if (!kinds[panel.type]) throw new Error(`${what}: no types of ${panel.type} are looked for`);
      if (kinds[panel.type].has('Options')) say(what, `Text<Partial<${panel.type}.Options>>`, panel.options);
      if (custom && kinds[panel.type].has('FieldConfig')) say(what, `Text<Partial<${panel.type}.FieldConfig>>`, custom);
    }
  }
  return { text: lines.join('\n'), parts };
}

// [what it is about, what is wrong]
function compare(typescript, boards, folder) {
  const { text, parts } = program(boards), file = path.join(folder, 'dashboards.ts');
  fs.writeFileSync(file, text);
  const whole = typescript.createProgram([file], { noEmit: true, strict: true, skipLibCheck: true, types: [],
    target: typescript.ScriptTarget.ES2020, module: typescript.ModuleKind.ES2020, moduleResolution: typescript.ModuleResolutionKind.Node10 });
  const found = typescript.getPreEmitDiagnostics(whole).map((each) => [
    each.file ? parts[each.file.getLineAndCharacterOfPosition(each.start).line] || each.file.fileName : '',
    typescript.flattenDiagnosticMessageText(each.messageText, ' ')]);
  return { found, compared: parts.filter(Boolean).length };
}

main((folder) => {
  const { typescript } = packages(__dirname), dashboards = option('dashboards');
  const boards = Object.fromEntries(fs.readdirSync(dashboards).map((name) => [name, JSON.parse(fs.readFileSync(path.join(dashboards, name), 'utf8'))]));
  const { found, compared } = compare(typescript, boards, folder);
  for (const [what, wrong] of found) console.log(`${what}: ${wrong}`);
  check(`${compared} parts of ${Object.keys(boards).length} dashboards are as Grafana's types have them`, found.length === 0 && compared > 100, found.length);

  // And would it be noticed?
  const spoilt = structuredClone(boards), [board] = Object.values(spoilt);
  board.panels.find((each) => each.type === 'timeseries').options.legend.displayMode = 'chart';
  board.templating.list[0].hide = 'yes';
  check('two that are spoilt are found', compare(typescript, spoilt, folder).found.length === 2, compare(typescript, spoilt, folder).found);
});
