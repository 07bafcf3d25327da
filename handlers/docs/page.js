// Shows the documents that this server serves, one at a time; the list in the bar chooses.
SwaggerUIBundle({
  dom_id: '#reference',
  urls: [
    { name: "Subledger's own API, /ledger/v1", url: '/openapi/ledger-v1.json' },
    { name: "Salable's API, at the root", url: '/openapi/salable-v1.json' },
  ],
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  plugins: [() => ({ components: { Logo: () => null } })], // its maker's has an inline style, which the page's policy refuses
  layout: 'StandaloneLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  showExtensions: true, // x-versions
  validatorUrl: null, // nobody else is asked
  persistAuthorization: false, // a key stays in the page that it was typed into
});
