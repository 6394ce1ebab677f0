package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/transfer"
)

// treeDepth is how deep a tree goes unless it is told otherwise.
const treeDepth = 8

func newTree() *cobra.Command {
	var branches client.Branches
	cmd := &cobra.Command{
		Use:   "tree REF",
		Short: "Draw an image with all that refers to it",
		Long: "Draw a manifest, the images that it lists, what refers to these, what refers to that,\n" +
			"and so on: what each is, how large its content, how old, and who signed where that is\n" +
			"told. REF may be a folder (oci:DIR[:tag]) or archive (oci-archive:FILE[:tag]) with an\n" +
			"OCI image layout, too.",
		Example: "  backref tree localhost:8080/app:v1\n" +
			"  backref tree --platform linux/arm64 --type '*spdx*' localhost:8080/app:v1\n" +
			"  backref tree --depth 1 -o json oci:app:v1",
		Args: arguments("REF"),
	}
	access, out, legacy := addAccess(cmd, ""), addOutput(cmd), addLegacy(cmd)
	flags := cmd.Flags()
	flags.IntVar(&branches.Depth, "depth", treeDepth, "how many `levels` of referrers of referrers to follow")
	flags.StringArrayVar(&branches.Platforms, "platform", nil, "of an index only the image for `os/architecture[/variant]`; repeatable")
	flags.StringArrayVar(&branches.Query.ArtifactTypes, "type", nil, "only artifact types that match the `glob`, with what refers to them; repeatable")
	completeValues(cmd, "type", client.KnownTypes()...)
	cmd.ValidArgsFunction = completeLocations(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if branches.Depth < 0 {
			return usageError{fmt.Errorf("--depth %d: need 0 or more", branches.Depth)}
		}
		branches.Query.Legacy = legacy()
		root, err := readTree(cmd.Context(), access, args[0], branches)
		if err != nil {
			return err
		}
		return out.print(root, nodeDigests(nil, root), func(s *sheet) {
			_, _ = fmt.Fprintln(s, s.styled(styleBold, client.Printable(args[0])))
			s.drawNode(root, "", "")
		})
	}
	return cmd
}

// readTree reads the tree of the manifest that a location names.
func readTree(ctx context.Context, access *access, named string, branches client.Branches) (*client.Node, error) {
	at, err := transfer.ParseLocation(named)
	if err != nil {
		return nil, usageError{err}
	}
	by, err := access.client()
	if err != nil {
		return nil, err
	}
	from, root, err := transfer.OpenGraph(ctx, at, by)
	if err != nil {
		return nil, err
	}
	return client.Tree(ctx, from, root, branches)
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
func (s *sheet) drawNode(n *client.Node, first, rest string) {
	s.line(first, n)
	below := append(append([]*client.Node{}, n.Manifests...), n.Referrers...)
	for i, child := range below {
		branch, trunk := "├── ", "│   "
		if i == len(below)-1 && !n.More {
			branch, trunk = "└── ", "    "
		}
		s.drawNode(child, rest+branch, rest+trunk)
	}
	if n.More {
		_, _ = fmt.Fprintln(s, rest+"└── … more: give a larger --depth")
	}
}

// line writes the line of a node behind its branch. Where the terminal is too
// narrow the end is cut.
func (s *sheet) line(branch string, n *client.Node) {
	parts := []string{n.Kind}
	if n.Platform != "" {
		parts = []string{n.Platform, n.Kind}
	}
	parts = append(parts, s.digest(n.Digest))
	if n.ContentSize > 0 {
		parts = append(parts, sizeText(n.ContentSize))
	}
	if n.Created != nil {
		parts = append(parts, ageText(*n.Created, s.now)+" old")
	}
	if n.Signer != "" {
		parts = append(parts, "by "+n.Signer)
	}
	if s.wide && n.ArtifactType != "" && n.ArtifactType != n.Kind {
		parts = append(parts, n.ArtifactType)
	}
	if n.Legacy {
		parts = append(parts, "legacy")
	}
	if n.Repeated {
		parts = append(parts, "(repeated)")
	}
	text := client.Printable(strings.Join(parts, "  "))
	if s.width > 0 {
		text = cutTo(text, max(leastWidth, s.width-uniseg.StringWidth(branch)))
	}
	style := ""
	switch {
	case n.Missing:
		style = styleRed
	case n.Repeated:
		style = styleFaint
	}
	if style != "" {
		text = s.styled(style, text)
	}
	_, _ = fmt.Fprintln(s, branch+text)
}
