package postgres

import (
	"github.com/jackc/pgx/v5"
)

// columns returns the columns of a row, all of bytes. Where the connection has
// them as they are they are not copied, and are good until the next row; some
// of pgx's modes (default_query_exec_mode) have them as text.
func columns(rows pgx.Rows) ([][]byte, error) {
	for _, field := range rows.FieldDescriptions() {
		if field.Format != pgx.BinaryFormatCode {
			return scannedColumns(rows)
		}
	}
	return rows.RawValues(), nil
}

func scannedColumns(rows pgx.Rows) ([][]byte, error) {
	values := make([][]byte, len(rows.FieldDescriptions()))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	return values, rows.Scan(into...)
}
