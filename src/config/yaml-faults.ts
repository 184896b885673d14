import type { ErrorCode } from 'yaml'
import type { Fault } from './fault.ts'

const QUOTES = 'put the text in quotes, or check the brackets and colons of this line'

/** The parser's own messages quote the file, secrets and all; these do not. */
const FAULTS: Readonly<Partial<Record<ErrorCode, Fault>>> = {
  TAB_AS_INDENT: { problem: 'is indented with a tab', fix: 'indent with spaces' },
  BAD_INDENT: {
    problem: 'is not indented like its neighbours, or a bracket above it is not closed',
    fix: 'indent keys of one block by the same spaces, and close each [ and {',
  },
  MULTIPLE_DOCS: { problem: 'starts a second YAML document', fix: 'keep one document in the file; remove ---' },
  BAD_SCALAR_START: { problem: 'holds text that starts with a reserved character', fix: 'put the text in quotes' },
  BAD_DQ_ESCAPE: { problem: 'holds an unknown \\ escape', fix: "write \\\\ for a backslash, or use 'single quotes'" },
  MISSING_CHAR: { problem: 'lacks a closing quote, a bracket, a comma or a colon', fix: 'complete it' },
  BLOCK_AS_IMPLICIT_KEY: {
    problem: 'holds two colons, or the next line is indented too far',
    fix: 'put text that holds ": " in quotes, or indent keys of one block by the same spaces',
  },
  MULTILINE_IMPLICIT_KEY: { problem: 'lacks a colon', fix: 'write key: value' },
  BAD_DIRECTIVE: { problem: 'holds a YAML directive', fix: 'remove it' },
  TAG_RESOLVE_FAILED: { problem: 'holds a YAML tag', fix: 'remove it; put text that starts with ! in quotes' },
  BAD_ALIAS: { problem: 'holds a YAML alias', fix: 'put text that starts with * in quotes' },
  MULTIPLE_ANCHORS: { problem: 'holds a YAML anchor', fix: 'put text that starts with & in quotes' },
  ALIAS_PROPS: { problem: 'holds a YAML alias', fix: 'put text that starts with * in quotes' },
}

/** A fault for an error code of the YAML parser. */
export function describeSyntaxError(code: ErrorCode): Fault {
  return FAULTS[code] ?? { problem: 'is not YAML', fix: QUOTES }
}

/** Whether a key is YAML 1.1's merge key. */
export function isMergeKey(name: string): boolean {
  return name === '<<'
}
