package config

// UI configures the web page.
type UI struct {
	Admin  bool `key:"admin" doc:"Whether the page is at /ui/ of the admin listener, for operators: it shows all that upstream.service may read."`
	Public bool `key:"public" doc:"Whether the page is at /_backref/ui/ of the listeners for registry clients, where each viewer sees what their own credentials may read."`
}
