// Renders the document of this installation. Only the menu's search needs a worker, which the policy forbids.
Redoc.init(
  "/v1/openapi.json",
  {
    disableSearch: true,
    expandResponses: "200,201,202",
    hideDownloadButton: false,
    jsonSampleExpandLevel: 3,
    nativeScrollbars: true,
    pathInMiddlePanel: true,
    requiredPropsFirst: true,
    scrollYOffset: 0,
    sortTagsAlphabetically: false,
    theme: {
      colors: { primary: { main: "#0f5fd6" }, text: { primary: "#1b1f24", secondary: "#57606a" } },
      typography: {
        fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
        fontSize: "15px",
        headings: { fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", fontWeight: "600" },
        code: { fontFamily: "ui-monospace, SFMono-Regular, Menlo, monospace", fontSize: "13px", wrap: true },
      },
      sidebar: { width: "270px" },
      rightPanel: { backgroundColor: "#1d2430" },
    },
  },
  document.getElementById("reference"),
);
