"""Words that tell a name from other capitalised words in English text; ``english_names`` uses them. Written for this project."""

from __future__ import annotations

# A name follows: "Dr. Okafor".
TITLES = frozenset(
    "attorney aunt auntie baby capt captain col consultant councillor counsellor counselor cousin dame dentist doc "
    " doctor don doña dr dra drs father fr frau grandma grandpa herr hon imam judge justice kumari lady lord lt "
    " madam master midwife miss mister mme monsieur mr mrs ms mx nurse officer paramedic pastor patient pharmacist "
    " physician president prof professor psychologist pt rabbi registrar rev reverend senator senor senora señor "
    " señora señorita sgt shri sir sister smt sra sri srta surgeon technician therapist uncle".split()
)
# Words that open a letter or a greeting: "Dear Grace".
OPENINGS = frozenset("dear hi hello hey thanks hiya".split())
# A name follows the colon: "Attending: Okafor".
LABELS = frozenset(
    "addressee anaesthetist anesthesiologist applicant assistant assistants attending attention attn attorney "
    " author beneficiary best brother by c/o cardholder cardiologist caregiver carer cc claimant client consultant "
    " contact coordinator d/o daughter dear dentist doctor doctors donor dpoa dr emergency employee examiner father "
    " forename from gp guarantor guardian hcp historian holder husband informant insured interpreter interviewer "
    " kin manager member midwife mother mr mrs ms name names next nok nurse operator owner parent participant "
    " partner party pathologist patient patients payee pcp person pharmacist physician physicians poa policyholder "
    " poster prescriber provider proxy psychiatrist psychologist pt radiologist recipient referrer referring "
    " regards relative relatives resident resident's s/o sender signature signed sincerely sister social son "
    " sonographer spouse staff subject subscriber supervisor surgeon surname team technician technologist therapist "
    " to truly user username w/o wife witness worker".split()
)
# A name follows on the same line or the next: "Sincerely, Okafor", "Hi Okafor".
GREETINGS = frozenset(
    "afternoon attention attn best bye care cheers congratulations cordially dear evening faithfully goodbye "
    " gratefully greetings hello hey hi hiya hugs love morning ok okay regards respectfully signed sincerely sorry "
    " submitted thanks thx truly welcome wishes xo xoxo you yours".split()
)
# A name follows: "her daughter Okafor".
PEOPLE = frozenset(
    "anesthesiologist assistant attending attorney aunt baby boss boy boyfriend brother buddy called cardiologist "
    " caregiver carer child classmate client coach colleague consultant coordinator counsellor counselor cousin dad "
    " daughter dentist dermatologist detective dietitian doctor donor employer endocrinologist father fiance "
    " fiancee fiancé fiancée friend gastroenterologist gentleman girl girlfriend gp grandchild granddaughter "
    " grandfather grandma grandmother grandpa grandson guardian hospitalist husband in-law infant intern "
    " interpreter lady landlord lawyer man manager midwife mom mother mum named neighbor neighbour nephew "
    " nephrologist neurologist niece nurse nutritionist officer oncologist orderly paramedic parent participant "
    " partner pastor pathologist patient pcp pediatrician pharmacist physician physiotherapist practitioner priest "
    " provider psychiatrist psychologist psychotherapist pt radiologist receptionist recipient resident roommate "
    " secretary sibling sister son specialist spouse stepdaughter stepfather stepmother stepson student subject "
    " supervisor surgeon survivor teacher technician therapist twin uncle urologist veteran volunteer widow widower "
    " wife woman worker".split()
)
# A name follows "by" after these: "seen by Okafor".
DONE_BY = frozenset(
    "accompanied administered admitted approved assessed assisted attended attested authenticated authored booked "
    " brought called co-signed collected completed conducted confirmed consented consulted cosigned counseled "
    " counselled countersigned delivered dictated discharged done driven electronically entered escorted evaluated "
    " examined explained followed for given in informed initiated inserted interpreted interviewed made managed "
    " noted notified obtained off on ordered over performed placed posted prepared prescribed provided raised read "
    " received recommended recorded referred removed repaired reported requested reviewed scheduled seen sent "
    " signed staffed stated submitted supervised taken today told transcribed translated treated up verified "
    " visited witnessed written".split()
)
# A name follows: "discussed with Okafor".
BEFORE = frozenset(
    ['a.k.a.', 'advised', 'aka', 'alias', 'appointment with', 'ask', 'ask for', 'asked', 'assigned to', 'attending is', 'attending was', 'attention of', 'baby of', 'belonging to', 'belongs to', 'brother of', 'call from', 'called', 'called herself', 'called himself', 'care of', 'caregiver is', 'chart for', 'chart of', 'consultation with', 'contact is', 'contact was', 'contacted', 'conversation with', 'copied to', 'copy to', 'daughter is', 'daughter of', 'discussed with', 'discussion with', 'doctor is', 'e-mailed', 'email from', 'emailed', 'estate of', 'father of', 'follow up with', 'follow-up with', 'followed up with', 'formerly', 'friend is', 'goes by', 'greeted', 'guardian is', 'handed over to', 'handoff to', 'handover to', 'husband is', 'husband of', 'i am', "i'm", 'identified as', 'im', 'in consultation with', 'in the care of', 'informed', 'interpreter is', 'introduced herself as', 'introduced himself as', 'issued to', 'kin is', 'known as', 'letter from', 'letter to', 'lived with', 'lives with', 'living with', 'married', 'married to', 'meet', 'meeting with', 'message for', 'message from', 'met', 'met with', 'mother of', 'my name is', 'name is', 'name was', 'named', 'nee', 'note for', 'note from', 'notified', 'nurse is', 'née', 'on behalf of', 'page', 'paged', 'parents of', 'patient is', 'patient named', 'patient was', 'phoned', 'physician is', 'please call', 'prescribed to', 'prescription for', 'proxy is', 'record for', 'record of', 'records for', 'records of', 'refer to', 'referral from', 'referral to', 'referred to', 'registered to', 'remind', 'reminded', 'report for', 'report given to', 'results for', 'results to', 'sign-out to', 'signed out to', 'signed,', 'sister of', 'son is', 'son of', 'speak to', 'speak with', 'speaking to', 'speaking with', 'spoke to', 'spoke with', 'spoken to', 'spoken with', 'surgeon is', 'talk to', 'talk with', 'talked to', 'talked with', 'talking to', 'telephoned', 'tell', 'texted', 'thank', 'thanks to', 'therapist is', 'told', 'under the care of', 'up with', 'visit with', 'visiting', 'wife is', 'wife of', 'with patient']
)
# A name may follow, and other things: "with Okafor", "with Lasix".
MAYBE_BEFORE = frozenset(['about', 'and', 'because', 'by', 'concerning', 'for', 'from', "it's", 'let', 'name', 'per', 're', 'regarding', 'that', 'this is', 'visit', 'with'])
# What people do, and what is done to them alone: "Okafor denies", "Okafor was admitted".
VERBS = frozenset(
    "accompanied admitted advised afraid agreed agrees alert allergic ambulated anxious arrived asked asks assisted "
    " ate attended attends awake believes born brought called calls came comes complained complaining complains "
    " concerned consented consents contacted counseled counselled cried crying declined declines denied denies "
    " diagnosed dictated died discharged divorced drank drinks drove eats emailed enjoys evaluated examined "
    " explained explains expressed expresses extubated feeling feels fell felt forgot gained goes grew hoped hopes "
    " hospitalised hospitalized informed interviewed intubated likes lived lives living lost loves married "
    " mentioned mentions moved noticed operated ordered performed phoned plays prefers pregnant prescribed "
    " presented presents pronounced raised readmitted recalls recovering referred refused refuses remembers "
    " reported reports requested requests retired returned returns rushed said sat saw says scheduled seen sees "
    " sent signed slept smiled smoked smokes stated states stayed stays stood studied teaches telephoned tells "
    " texted texts thanked thinks thought told tolerated transferred undergoes understands understood underwent "
    " verbalised verbalized visited vomited walked walks wanted wants weighs went wishes woke worked works worried "
    " worries writes wrote".split()
)
# What other things do too; they speak for a first name only.
MAYBE_VERBS = frozenset(
    "aged and appeared appears at brought can completed confirmed continued continues could described describes did "
    " discussed does from gave had has is looked looks needed needs noted obtained received receives recommended "
    " recommends remains required requires reviewed seems shared started stopped suggested takes took used uses was "
    " who whose will would".split()
)
# What is called after people: "Okafor disease".
EPONYMIC = frozenset(
    "-associated -like -related abscess adenoma agar amyloidosis anaemia analysis anemia aneurysm angina anomaly "
    " antibody antigen aphasia apparatus area artery arthritis arthropathy assay assessment associated association "
    " ataxia atrophy award bacillus bag balloon bandage bed block bodies body boot breathing canal cancer cannula "
    " carcinoma cardiomyopathy caregiver caregivers cast catheter catheters cell cells center centre chair chart "
    " chorea chromosome cirrhosis clamp class classification clinic coefficient colitis collar college coma complex "
    " condition conference consensus contracture contractures corpuscle corpuscles correction correlation crisis "
    " criteria criterion crutch culture curve cycle cyst cysts defect defects deformity degrees dementia dermopathy "
    " disease disorder distribution diverticulum drain dressing drug drugs duct ducts dwarfism dysplasia dystrophy "
    " effect encephalitis encephalopathy endocarditis enteritis epilepsy equation esophagus exercise exercises "
    " facies facility factor fascia fever fiber fibers filter fistula forceps formula foundation fracture fractures "
    " frame gait gangrene gene genotype gland glands glomerulonephritis goit(:er goit(?:er goitre grade grading "
    " granules granulomatosis group guideline guidelines haemoglobin haemorrhage headache hemoglobin hemorrhage "
    " hepatitis hernia histiocytosis hospital hump hyperplasia hypersensitivity hyperthyroidism hypothesis ileitis "
    " illness incision index infection institute interval interview intolerance inventory journal keratoderma "
    " keratosis knot lactate lactated lamp law layer lesion lesions ligament light like line lines loop "
    " lymphadenitis lymphadenopathy lymphoma macroglobulinaemia macroglobulinemia malformation maneuver manoeuvre "
    " mask medication medications medium melanoma membrane method microscope model mole monitor monitoring murmur "
    " muscle mutation myocarditis myopathy naevus nail needle negative nephritis nephropathy neuralgia "
    " neuroblastoma neuroma neuropathy nevus node nodes nodule nodules nucleus number oesophagus operation "
    " ophthalmopathy orbitopathy organ osteodystrophy palsy paralysis parasite patches pathway patient patients "
    " pentad pessary phase phenomenon phenotype pin plaque plaques plate plexus plot plus point polyp polyposis "
    " polyps porphyria position positive press principle prize probe procedure prosthesis protein protocol "
    " psychosis pulse pump pupil pupils purpura questionnaire rash ratio re) reflex regimen regression related "
    " repair respiration respirations retractor rhythm rigidity ring rings rod rods rule sarcoma scale scales scan "
    " school schwannoma sclerosis score scores scoring screw seizure seizures series shunt sign signs society "
    " solution sound sounds sp space spasm spasms species speculum splint spots spp stage stages staging stain "
    " staining stent stockings stroke struma study support suture symptoms syndrome system table tag technique "
    " tendon test tests tetralogy theory thesis thyroiditis tract traction transform tremor tremors triad trial "
    " triangle tube tubes tumor tumors tumour tumours type types ulcer ulcers unit units university vaccine valve "
    " variant vasculitis vein virus walker wart warts wave waves wire wort zone".split()
)
# Months and days of the week.
MONTHS = frozenset(
    "january february march april june july august september october november december monday tuesday wednesday thursday friday saturday sunday"
    " jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun".split()
)
# Countries, states, peoples and faiths, which are no identifiers.
COUNTRIES = frozenset(
    "america american americans african africa asia asian europe european england english britain british scotland scottish wales welsh ireland irish france french germany german"
    " italy italian spain spanish portugal portuguese greece greek turkey turkish russia russian china chinese japan japanese korea korean india indian pakistan pakistani"
    " bangladesh vietnam vietnamese thailand thai mexico mexican canada canadian brazil brazilian argentina chile peru colombia cuba cuban haiti haitian jamaica australia"
    " australian zealand egypt egyptian iran iranian iraq iraqi israel israeli syria saudi arabia nigeria nigerian kenya ethiopia ghana uganda tanzania congo sudan"
    " netherlands dutch belgium belgian sweden swedish norway norwegian denmark danish finland finnish poland polish ukraine czech austria austrian switzerland swiss hungary"
    " hungarian romania latin hispanic latino latina caucasian christian muslim jewish catholic protestant hindu buddhist islam islamic christianity buddhism hinduism judaism"
    " caribbean mediterranean pacific atlantic antarctic arctic scandinavian ashkenazi amish navajo native alaska alabama arizona arkansas california colorado connecticut delaware"
    " florida hawaii idaho illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada hampshire"
    " jersey ohio oklahoma oregon pennsylvania carolina dakota tennessee texas utah vermont virginia washington wisconsin wyoming filipino philippines"
    " singapore taiwan malaysia indonesia nepal afghanistan god jesus bible quran internet english facebook google medicare medicaid covid ebola zika wikipedia wikimedia youtube openstax"
    " ontario quebec alberta manitoba saskatchewan queensland tasmania punjab gujarat kerala tamil maharashtra karnataka rajasthan bihar assam odisha haryana bengal".split()
)
# Words of forms and headings, and those that begin sentences; no names though the lists have them.
NEVER = frozenset(
    "the a an and or but if in on at to of for from by with as is are was were be been has have had do does did not no yes he she it they we you i his her their our your my this that these those"
    " who what when where why how which while after before since until because so then than there here all any some each every both few more most other such only own same too very can will just"
    " should now may might must could would shall also patient patients male female history date time name address phone fax email today yesterday tomorrow hospital clinic ward room bed unit care"
    " medical health note notes report summary discharge admission diagnosis assessment plan allergies medications medication vitals vital labs lab exam review past family social physical chief"
    " complaint present impression follow signed dr mr mrs ms prof miss doctor nurse see please dear hi hello thanks thank regards sincerely re age sex gender ssn mrn dob id tel no yes true false"
    " none unknown many one two three four five six seven eight nine ten first second third last next new old like see even during about over under between against through however although"
    " figure table chapter section part key answer question option case study people person children women men doctors long else see say says let get go make take use well high low early late right left"
    " up down out off once often never always sometimes still yet again further therefore thus hence moreover furthermore meanwhile instead otherwise whether either neither nor per via versus vs"
    " service plan insurance account number license licence certificate device serial vehicle plate passport study subject participant appointment visit emergency contact relationship occupation employer"
    " mother father son daughter wife husband brother sister parent spouse guardian attending physician surgeon provider procedure operation specimen pathology radiology imaging findings results result"
    " conclusion recommendation recommendations comments comment indication technique comparison referral consult consultation progress subjective objective icu ed er or md rn np do pa phd".split()
)
# First names that are English words too, and hardly ever such a word with a capital in the midst of a sentence.
SURE = frozenset(
    "john harry peter maria jack mike tom tony bob bobby billy jimmy josh ken matt martin nick roger sally victor colleen derrick warren terry randy rick peg patsy meg hector hank jay max"
    " tanner dirk fanny billie bonnie carol chuck cliff curt ed jerry josh mickey rob robin rosemary ted tad troy vic sue lily heather holly jasmine daisy ivy molly polly emma eve".split()
)
