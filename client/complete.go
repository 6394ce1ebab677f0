package client

import (
	"context"
	"strings"
)

// Complete returns the references that begin with a text: repositories behind
// host/, tags behind host/repository:. A host is not guessed.
func Complete(ctx context.Context, c *Client, begun string) ([]string, error) {
	host, name, found := strings.Cut(begun, "/")
	if !found || host == "" || strings.Contains(name, "@") {
		return nil, nil
	}
	repository, _, found := strings.Cut(name, ":")
	if !found {
		return c.completeRepositories(ctx, host, name)
	}
	ref, err := ParseReference(host + "/" + repository)
	if err != nil {
		return nil, nil //nolint:nilerr // Nothing begins like this.
	}
	tags, err := c.Repository(ref).TagNames(ctx)
	return beginning(tags, ref.String()+":", begun), err
}

// completeRepositories returns the repositories of a host that begin with a
// name.
func (c *Client) completeRepositories(ctx context.Context, host, name string) ([]string, error) {
	all, err := c.AllRepositories(ctx, host)
	return beginning(all, host+"/", host+"/"+name), err
}

// beginning puts a prefix before names and returns those that begin with a
// text.
func beginning(names []string, prefix, begun string) []string {
	var matching []string
	for _, name := range names {
		if strings.HasPrefix(prefix+name, begun) {
			matching = append(matching, prefix+name)
		}
	}
	return matching
}
