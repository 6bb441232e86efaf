// Starts `circle policy lsp` and connects the editor to it.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function activate() {
  const command = workspace.getConfiguration("3script").get("circle") || "circle";
  const server = { command, args: ["policy", "lsp"] };
  const options = { documentSelector: [{ language: "3script" }] };
  client = new LanguageClient("3script", "3Script", server, options);
  return client.start();
}

function deactivate() {
  return client ? client.stop() : undefined;
}

module.exports = { activate, deactivate };
