package ui

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

//go:embed assets
var assets embed.FS

//go:embed templates/*.html
var templates embed.FS

// serveAsset serves style and script of the pages, which are the same for all.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(w, r, assets, "assets/"+chi.URLParam(r, "file"))
}

// readTemplates reads the template of each page, with the parts that all share:
// those whose names begin with an underscore, and the layout.
func readTemplates() (map[string]*template.Template, error) {
	shared := template.New("").Funcs(functions())
	if _, err := shared.ParseFS(templates, "templates/layout.html", "templates/_*.html"); err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	pages := make(map[string]*template.Template)
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name == "layout" || strings.HasPrefix(name, "_") {
			continue
		}
		page, err := shared.Clone()
		if err == nil {
			_, err = page.ParseFS(templates, file)
		}
		if err != nil {
			return nil, fmt.Errorf("ui: %w", err)
		}
		pages[name] = page
	}
	return pages, nil
}
