package config

import (
	"fmt"
	"net/url"
)

// checkNamespaces makes sure that names of registries are hosts.
func checkNamespaces(names []string) error {
	for _, name := range names {
		if u, err := url.Parse("//" + name); err != nil || name == "" || u.Host != name {
			return fmt.Errorf("%q is not a host such as registry.example.com or localhost:5000", name)
		}
	}
	return nil
}
