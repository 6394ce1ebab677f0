package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
)

// treeDepth is how deep a tree goes unless it is told otherwise.
const treeDepth = 8

func newTree() *cobra.Command {
	var depth int
	cmd := &cobra.Command{
		Use:   "tree REF",
		Short: "Draw an image with all that refers to it",
		Long: "Draw a manifest, the images that it lists, what refers to these, what refers to that,\n" +
			"and so on: what each is, how large its content, how old, and who signed where that is\n" +
			"told.",
		Example: "  backref tree localhost:8080/app:v1\n" +
			"  backref tree --depth 1 -o json localhost:8080/app@sha256:…",
		Args: arguments("REF"),
	}
	access, out := addAccess(cmd, ""), addOutput(cmd)
	cmd.Flags().IntVar(&depth, "depth", treeDepth, "how many `levels` of referrers of referrers to follow")
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if depth < 0 {
			return usageError{fmt.Errorf("--depth %d: need 0 or more", depth)}
		}
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		root, err := repository.Tree(cmd.Context(), ref.Reference(), depth)
		if err != nil {
			return err
		}
		return out.print(root, nodeDigests(nil, root), func(w io.Writer) {
			_, _ = fmt.Fprintln(w, ref)
			drawNode(w, root, "", "", out.now)
		})
	}
	return cmd
}

// nodeDigests lists the digests of a tree from the top down.
func nodeDigests(digests []string, n *client.Node) []string {
	if n.Repeated {
		return digests
	}
	digests = append(digests, n.Digest.String())
	for _, child := range n.Manifests {
		digests = nodeDigests(digests, child)
	}
	for _, referrer := range n.Referrers {
		digests = nodeDigests(digests, referrer)
	}
	return digests
}

// drawNode draws a node and what hangs below it.
func drawNode(w io.Writer, n *client.Node, first, rest string, now time.Time) {
	_, _ = fmt.Fprintln(w, first+nodeText(n, now))
	below := append(append([]*client.Node{}, n.Manifests...), n.Referrers...)
	for i, child := range below {
		branch, trunk := "├── ", "│   "
		if i == len(below)-1 && !n.More {
			branch, trunk = "└── ", "    "
		}
		drawNode(w, child, rest+branch, rest+trunk, now)
	}
	if n.More {
		_, _ = fmt.Fprintln(w, rest+"└── … more: give a larger --depth")
	}
}

// nodeText is the line of a node.
func nodeText(n *client.Node, now time.Time) string {
	parts := []string{n.Kind}
	if n.Platform != "" {
		parts = []string{n.Platform, n.Kind}
	}
	parts = append(parts, n.Digest.String())
	if n.ContentSize > 0 {
		parts = append(parts, sizeText(n.ContentSize))
	}
	if n.Created != nil {
		parts = append(parts, ageText(*n.Created, now)+" old")
	}
	if n.Signer != "" {
		parts = append(parts, "by "+n.Signer)
	}
	if n.Repeated {
		parts = append(parts, "(repeated)")
	}
	return client.Printable(strings.Join(parts, "  "))
}
