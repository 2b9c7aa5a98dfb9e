"""Prompt profiles, valid and nearly so, for the strategies of backends."""

from hypothesis import strategies as st

numbers = st.sampled_from(
    ["0", "1", "007", "-1.5", "2.25", "4096", "low", "true", "1e3", "", "1\n"]
)
members = st.sampled_from(
    ["temperature", "top_p", "n", "max_tokens", "max_completion_tokens", "messages", "model",
     "thinking", "top_x", "top_y", "Top", "seed\n"]
)  # fmt: skip
texts = st.sampled_from(["A", "é" * 64, "", "x" * 8193])
parameters = st.fixed_dictionaries(
    {"name": members},
    optional={"default": numbers, "min": numbers, "max": numbers, "renameTo": members,
              "remove": st.booleans()},
)  # fmt: skip
few = st.fixed_dictionaries(
    {"name": members}, optional={"max": st.just("4096"), "renameTo": members}
)
profiles = st.fixed_dictionaries(
    {},
    optional={
        "preset": st.sampled_from(["Family", "None", "Any"]),
        "system": st.fixed_dictionaries(
            {}, optional={"prefix": texts, "suffix": texts, "replacement": texts}
        ),
        "roles": st.fixed_dictionaries(
            {}, optional={"developer": st.sampled_from(["Keep", "System", "User"]),
                          "system": st.sampled_from(["Keep", "User", "System"])}
        ),
        "parameters": st.one_of(st.lists(few, max_size=3), st.lists(parameters, max_size=3)),
        "stop": st.lists(texts, max_size=5),
        "thinking": st.fixed_dictionaries(
            {}, optional={"form": st.sampled_from(["EnableThinking", "ThinkingType", "x"]),
                          "default": st.sampled_from(["Enabled", "Disabled"])}
        ),
        "reasoningContent": st.sampled_from(["Keep", "Drop", "Fill", "Some"]),
    },
)  # fmt: skip
