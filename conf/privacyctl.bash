# bash completion for privacyctl.

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

_privacyctl()
{
    local commands='keygen rollover init check preview diff publish withdraw versions notice subject verify ledger backup
        restore verify-backup inventory status help' notices='init send retract list status export unreached help'
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options
    local command=${COMP_WORDS[1]}

    COMPREPLY=()

    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "$commands" -- "$word"))
        return
    fi

    if [ "$command" = notice ]; then
        if [ "$COMP_CWORD" -eq 2 ]; then
            case $word in
                -*) COMPREPLY=($(compgen -W '--help' -- "$word")) ;;
                *) COMPREPLY=($(compgen -W "$notices" -- "$word")) ;;
            esac
            return
        fi
        command="notice ${COMP_WORDS[2]}"
    fi

    case $before in
        --kind) COMPREPLY=($(compgen -W 'incident announcement' -- "$word")); return ;;
        --format) COMPREPLY=($(compgen -W 'csv jsonl' -- "$word")); return ;;
        --color) COMPREPLY=($(compgen -W 'auto always never' -- "$word")); return ;;
        --next|--rotate) COMPREPLY=($(compgen -W 'cookie form ledger' -- "$word")); return ;;
        --languages) COMPREPLY=($(compgen -W 'zh-CN,en en,zh-CN zh-CN en' -- "$word")); return ;;
        --lang) COMPREPLY=($(compgen -W 'zh-CN en' -- "$word")); return ;;
        --key|--keys|--inventory|--state|--output|--users|--subjects) COMPREPLY=($(compgen -f -- "$word")); return ;;
        --public) [ "$command" = 'notice send' ] \
            || { COMPREPLY=($(compgen -f -- "$word")); return; } ;;
        --cache) COMPREPLY=($(compgen -d -- "$word")); return ;;
    esac

    case $command in
        'notice init') options='--kind --languages --json --help' ;;
        'notice send') options='--site --key --redis --kind --all --users --keys --subjects --bound-before --granted
            --public --corrects --until --dry-run --yes --json --help' ;;
        'notice retract') options='--site --key --redis --reason --yes --json --help' ;;
        'notice list') options='--site --redis --public --json --help' ;;
        'notice status') options='--site --redis --public --watch --interval --json --help' ;;
        'notice export') options='--site --redis --public --format --help' ;;
        'notice unreached') options='--site --redis --public --unseen --json --help' ;;
        keygen) options='--site --next --rotate --json --help' ;;
        rollover) options='--site --key --redis --yes --json --help' ;;
        init) options='--name --mail --telephone --address --department --complaint --country --necessary
            --languages --version --effective --inventory --url --site --lang --yes --json --help' ;;
        check) options='--site --redis --public --notice-days --urgent --strict --json --help' ;;
        preview) options='--port --site --redis --public --notice-days --urgent --json --help' ;;
        diff) options='--site --public --redis --lang --color --json --help' ;;
        publish) options='--site --key --redis --cache --notice-days --urgent --inventory --force --color --yes
            --json --help' ;;
        withdraw) options='--site --key --redis --reason --yes --json --help' ;;
        versions) options='--site --redis --public --json --help' ;;
        subject) options='--site --keys --user --users --json --help' ;;
        verify) options='--public --site --state --expect-length --log-only --json --help' ;;
        ledger) options='--site --keys --redis --public --user --json --help' ;;
        backup) options='--site --redis --output --resume --json --help' ;;
        restore) options='--site --redis --partial --json --help' ;;
        verify-backup) options='--site --public --keys --json --help' ;;
        inventory) options='--url --site --json --help' ;;
        status) options='--url --site --json --help' ;;
        *) options= ;;
    esac

    case $word in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}

complete -o filenames -F _privacyctl privacyctl
